// A client node in a program of its own, for tests that stop and kill it: one process, driven by
// lines on standard input, one line of answer for each.
//
//   signon                       -> ok LOCKER
//   create                       -> ok OID                      a committed Counter
//   begin | commit | abort       -> ok | unknown LOCKER NUMBER
//   lock OID TYPE MS [session]   -> ok
//   unlock OID | set OID N       -> ok
//   get OID                      -> ok N
//   outcome LOCKER NUMBER        -> committed | not-committed
//   count OID NAME JOURNAL       -> never: counts up in transactions until it is killed
//
// What fails answers "error CODE why".

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "node/client_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

class Program {
 public:
  explicit Program(const ClientNode::Options& options) : client_(options) {}

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    try {
      return obey(verb, words);
    } catch (const CommitUnknownException& unknown) {
      return "unknown " + std::to_string(unknown.commit().process) + " " +
             std::to_string(unknown.commit().number);
    } catch (const SystemException& failure) {
      return "error " + std::to_string(failure.errorCode()) + " " + failure.what();
    } catch (const std::exception& failure) {
      return std::string("error 0 ") + failure.what();
    }
  }

 private:
  std::string obey(const std::string& verb, std::istringstream& words) {
    if (verb == "signon") {
      process_ = client_.node().signOn({.user = "test", .name = "program"});
      return "ok " + std::to_string(process_.info().locker.value);
    }
    if (verb == "create") return create();
    if (verb == "begin") return process_.beginTransaction(), "ok";
    if (verb == "commit") return process_.commitTransaction(), "ok";
    if (verb == "abort") return process_.abortTransaction(), "ok";
    if (verb == "outcome") {
      CommitId commit;
      words >> commit.process >> commit.number;
      const bool committed = client_.node().commitOutcome(commit) == CommitOutcome::Committed;
      return committed ? "committed" : "not-committed";
    }

    std::uint64_t bits = 0;
    words >> bits;
    Object object = process_.object(Oid::fromBits(bits));
    if (verb == "unlock") return object.unlock(), "ok";
    if (verb == "get") return "ok " + std::to_string(object.get<std::int32_t>("value"));
    if (verb == "set") {
      std::int32_t value = 0;
      words >> value;
      object.set("value", value);
      return "ok";
    }
    if (verb == "lock") return lock(object, words);
    if (verb == "count") {
      std::string name;
      std::string journal;
      words >> name >> journal;
      count(object.oid(), name, journal);
    }
    return "error 0 there is no verb " + verb;
  }

  std::string create() {
    process_.defineClass({.name = "Counter", .properties = {{"value", ValueType::Integer}}});
    process_.defineClass({.name = "Entry", .properties = {{"text", ValueType::String}}});
    Transaction work(process_);
    Object counter = process_.create("Counter");
    counter.set("value", 0);
    work.commit();
    return "ok " + std::to_string(counter.oid().bits());
  }

  static std::string lock(Object& object, std::istringstream& words) {
    std::string type;
    std::int64_t wait = 0;
    std::string duration;
    words >> type >> wait >> duration;
    const LockType wanted = type == "exclusive" ? LockType::Exclusive
                            : type == "update"  ? LockType::Update
                                                : LockType::Share;
    object.lock(wanted, duration == "session" ? LockDuration::Session : LockDuration::Transaction,
                std::chrono::milliseconds(wait));
    return "ok";
  }

  // Each transaction counts the counter up and leaves an Entry with a text of its own; the journal
  // says which were acknowledged, and what commitOutcome() said of those whose answer was lost.
  [[noreturn]] void count(Oid counter, const std::string& name, const std::string& file) {
    std::ofstream journal(file, std::ios::app);
    for (int serial = 0;; ++serial) {
      const std::string text =
          name + ":" + std::to_string(::getpid()) + ":" + std::to_string(serial);
      try {
        if (!process_.isSignedOn()) {
          process_ = client_.node().signOn({.user = "test", .name = name});
        }
        Transaction work(process_);
        Object object = process_.object(counter);
        object.exclusiveLock(2s);
        object.set("value", object.get<std::int32_t>("value") + 1);
        process_.create("Entry").set("text", text);
        work.commit();
        journal << "acknowledged " << text << std::endl;
      } catch (const CommitUnknownException& unknown) {
        journal << (outcomeOf(unknown.commit()) ? "committed " : "not-committed ") << text
                << std::endl;
      } catch (const SystemException&) {
        // Not committed: another one, with another text.
        std::this_thread::sleep_for(5ms);
      }
    }
  }

  bool outcomeOf(const CommitId& commit) {
    for (;;) {
      try {
        return client_.node().commitOutcome(commit) == CommitOutcome::Committed;
      } catch (const SystemException&) {
        std::this_thread::sleep_for(5ms);  // The server is away: ask again.
      }
    }
  }

  ClientNode client_;
  Process process_;
};

int run(int argc, char** argv) {
  ClientNode::Options options;
  options.iniFile = argv[1];
  options.nodeName = argv[2];
  options.iniOverrides.assign(argv + 3, argv + argc);
  Program program(options);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << program.answer(line) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace nephrite

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: remote_client INI_FILE NODE_NAME [Section.Parameter=value]...\n";
    return 2;
  }
  try {
    return nephrite::run(argc, argv);
  } catch (const std::exception& failure) {
    std::cout << "error " << failure.what() << std::endl;
    return 1;
  }
}
