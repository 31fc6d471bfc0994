#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/process/process_machine.h"
#include "tests/network/recorded_database.h"
#include "tests/network/sim_network.h"

namespace nephrite {

/// Processes of the server's own node: an application in the server's program, beside the clients
/// on the wire. They call as Object does: first what can be done at once, else by asking.
///
/// What is done at once does not come by the RecordedDatabase, so it is told that afterwards.
/// Threads: not the serving one. What they let go is answered to clients a moment later.
class Residents : public std::enable_shared_from_this<Residents> {
 public:
  /// Their names begin with `name`. `acted` is called when the database may have something to do at
  /// another time.
  Residents(SimNetwork& network, Record& record, RecordedDatabase& database,
            const std::string& name, int processes, std::function<void()> acted);
  /// Nobody's session outlives the database.
  ~Residents();

  void start();
  /// No new steps.
  void stop() { stopping_ = true; }
  /// Signs all off.
  void close();
  /// Is something not answered?
  bool isAsking() const;

 private:
  struct Actor {
    std::string name;
    std::unique_ptr<ProcessMachine> machine;
    bool over = false;
    bool updatesFirst = false;
    bool setsValues = false;  // The last change was one of a value.
    std::uint64_t asked = 0;  // So often.
    std::string asks;         // What is not answered.
    std::uint64_t request = 0;
    Duration since{};
    std::chrono::milliseconds bound{};
    LockerId locker() const { return machine->process().locker; }
  };
  using ActorPtr = std::shared_ptr<Actor>;

  void fail(const std::string& what) { network_.report.fail("resident " + what); }
  void soon(std::chrono::milliseconds time, std::function<void()> work);
  void later(const ActorPtr& actor);
  void signOnProcess();
  void step(const ActorPtr& actor);
  void act(const ActorPtr& actor, int chosen, Oid object);
  void lockStep(const ActorPtr& actor, Oid object);
  void changeStep(const ActorPtr& actor, Oid object);
  void stateStep(const ActorPtr& actor);
  void commitStep(const ActorPtr& actor);
  void abort(const ActorPtr& actor);
  StepDone told(const ActorPtr& actor, const std::string& what, LockTimeout timeout,
                std::uint64_t request, std::function<void(const StepResult&)> then);
  void compare(const Actor& actor, const StepResult& result);
  void checkLatest(const Actor& actor, Oid object, const RecordPtr& record);
  void trace(const Actor& actor, const std::string& what);

  SimNetwork& network_;
  Record& record_;
  RecordedDatabase& database_;
  const std::string name_;
  const int processes_;
  const std::function<void()> acted_;
  std::vector<ActorPtr> actors_;
  Oid node_;
  int lastActor_ = 0;
  bool stopping_ = false;
};

}  // namespace nephrite
