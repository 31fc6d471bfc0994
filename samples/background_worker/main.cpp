// A background worker: a thread with a process of its own, whose lock waits last as long as
// BackgroundProcessServerTimeout in the INI file says.
//
// The worker tidies an object that a person has locked for the session. It gives up after the
// background timeout, says who is in its way, and is started again; when the person is done, it
// succeeds.

#include <algorithm>
#include <iostream>
#include <semaphore>

#include "node/configured_node.h"

using namespace nephrite;

int main(int argc, char** argv) {
  ConfiguredNode database({.iniFile = argc > 1 ? argv[1] : "samples/background_worker/jade.ini",
                         .iniOverrides = {argv + std::min(argc, 2), argv + argc}});
  Process person = database.node().signOn({.user = "anna", .name = "desk"});
  ClassDef report;
  report.name = "Report";
  report.properties = {{"text", ValueType::String}};
  person.defineClass(report);
  Object shared;
  {
    Transaction transaction(person);
    shared = person.create("Report");
    shared.set("text", "  untidy  ");
    transaction.commit();
  }
  shared.lock(LockType::Exclusive, LockDuration::Session, LockTimeout::processDefined());

  std::binary_semaphore gaveUp(0);
  BackgroundProcess::Options options;
  options.name = "tidier";
  options.user = "batch";
  options.whenItThrows = BackgroundProcess::WhenItThrows::Restart;
  options.report = [&](const BackgroundProcess::Failure& failure) {
    std::cout << failure.worker << " gave up: " << failure.what << "\n";
    if (failure.failures == 1) gaveUp.release();
  };
  BackgroundProcess tidier(database.node(), options,
                           [&](Process& worker, const std::stop_token& stop) {
                             Transaction transaction(worker);
                             Object mine = worker.object(shared.oid());
                             mine.exclusiveLock(LockTimeout::processDefined(), stop);
                             mine.set("text", std::string("tidy"));
                             transaction.commit(stop);
                           });

  gaveUp.acquire();  // It has waited once in vain.
  std::cout << "desk: done with it\n";
  shared.unlock();
  tidier.wait();

  std::cout << "the report now says: " << shared.get<std::string>("text") << "\n";
  return shared.get<std::string>("text") == "tidy" ? 0 : 1;
}
