#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "node/client/remote_database.h"
#include "runtime/process/process_machine.h"
#include "tests/network/sim_network.h"

namespace nephrite {

/// How a seed's clients behave.
struct ClientTemper {
  int processes = 2;
  int pause = 100;  ///< Between steps, at most; milliseconds.
  int sessionOneIn = 4;
  int cancelOneIn = 10;
  int updateLocksOneIn = 3;
  int operatorOneIn = 0;            ///< Of steps; 0: there is none.
  bool mixesLocks = false;          ///< Changes take Update or Exclusive, by turns.
  int lockAllOneIn = 0;             ///< The same.
  int createOneIn = 0;              ///< Or delete. The same.
  bool readsOthers = false;         ///< After a grant, what it has not locked.
  bool atOnce = false;              ///< First by the calls that do not wait, as Object does.
  int slowestCommit = 10;           ///< Of the server's; milliseconds.
  int leaseOneIn = 0;               ///< Of requests for a lock; the same.
  int childOneIn = 0;               ///< Of steps: a process signs a child on. The same.
  int subtreeOneIn = 0;             ///< Of requests with scope Subtree; 0: no object has a place.
  bool isToldSoon = true;           ///< Its node reads what the server says.
  bool goesOnAfterUnknown = false;  ///< Else the process signs off, and asks.
  RemoteDatabase::Options database;
};

/// A client node with some processes, which take random steps and hold what they are told against
/// the Record.
class SimClient {
 public:
  SimClient(SimNetwork& network, Record& record, int number, const ClientTemper& temper);

  ~SimClient() {
    stop();
    close();
  }

  void start();
  /// No new steps.
  void stop() { stopping_ = true; }
  /// Says goodbye. The machines go first: what they have of the database ends before it does.
  void close();

  bool isConnected() const { return database_ && database_->isConnected(); }
  /// Is something not answered?
  bool isAsking() const;
  /// At rest: every view of locks and objects is the server's.
  void checkViews(Database& server);
  /// Asks what became of a commit until it is told.
  void askOutcome(const CommitId& commit);
  /// An operator's call.
  void takeByForce(LockerId victim, Oid object);
  SimCarrier& carrier() { return carrier_; }
  std::vector<SimClient*> others;

  /// A lock that a process which does nothing at the moment believes to hold.
  struct Belief {
    LockerId locker;
    Oid object;
    LockType type;
    LockType below;
    FencingToken token;
    bool isUnsure = false;  ///< A relative may have deleted the object.
  };
  std::vector<Belief> beliefs() const;

 private:
  struct Actor {
    std::string name;
    std::unique_ptr<ProcessMachine> machine;
    bool busy = false;
    bool over = false;
    std::uint64_t request = 0;  // Of the step that is under way.
    std::uint64_t commits = 0;
    bool setsValues = false;  // The last change was one of a value.
    std::vector<StateKind> states;
    std::vector<Oid> made;  // In its open transaction.
    std::shared_ptr<Actor> parent;
    bool isInFamily = false;
    bool hasMade(Oid object) const {
      return std::find(made.begin(), made.end(), object) != made.end();
    }
    LockerId locker() const { return machine->process().locker; }
  };
  using ActorPtr = std::shared_ptr<Actor>;
  struct Asked {
    std::string what;
    Duration since{};
    std::chrono::milliseconds bound{};
    bool answered = false;
  };

  std::shared_ptr<Asked> ask(const std::string& what, std::chrono::milliseconds bound);
  void answered(const std::shared_ptr<Asked>& asked);
  void fail(const std::string& what);

  void signOnNode();
  void signOnProcess(Oid node, const ActorPtr& parent = nullptr);
  void signOnChild(const ActorPtr& actor);
  void renewStep(const ActorPtr& actor, Oid object);
  /// May a relative have committed what this node has not heard of yet?
  bool hasBusyRelative(const Actor& actor) const;
  void replaceLost();
  void later(const ActorPtr& actor);
  Oid anyObject(const Actor& actor);
  void step(const ActorPtr& actor);
  /// A lock on nothing yet; it may be cancelled.
  ProcessMachine::Wish anyWish(const ActorPtr& actor);
  void lockStep(const ActorPtr& actor, Oid object);
  void lockAllStep(const ActorPtr& actor);
  void lockedAll(const ActorPtr& actor, const std::vector<Oid>& oids,
                 const std::vector<bool>& before, std::size_t granted,
                 const ProcessMachine::Wish& wish, const StepResult& result);
  /// What was just locked, as anybody on the node reads it.
  void readHeld(const ActorPtr& actor, Oid object);
  /// After the grant of `request`: anything.
  void readOther(const ActorPtr& actor, std::uint64_t request);
  void changeStep(const ActorPtr& actor, Oid object);
  /// False when that has to be asked for.
  bool isChangedAtOnce(Actor& actor, Oid object);
  /// Into what is changed: the number of commits that have changed it then.
  void write(const Actor& actor, Oid object);
  void readStep(const ActorPtr& actor, Oid object);
  void createStep(const ActorPtr& actor);
  void removeStep(const ActorPtr& actor, Oid object);
  void waitingStep(const ActorPtr& actor, Oid object, const std::string& what,
                   std::chrono::milliseconds bound, const StepDone& then,
                   FunctionRef<void(StepDone)> start);
  void abort(Actor& actor);
  void commitStep(const ActorPtr& actor);
  void stateStep(const ActorPtr& actor);
  /// Takes a lock, or all of a process, by force: of whoever it is.
  void operatorStep(const ActorPtr& actor, Oid object);
  /// Does its node still believe in a lock that an operator took?
  bool isUntold(LockerId locker, Oid object) const;
  StepDone told(const ActorPtr& actor, const std::string& what, std::chrono::milliseconds bound,
                std::uint64_t request, std::function<void(const StepResult&)> then);
  void compare(const Actor& actor, const std::string& what, std::uint64_t request,
               const StepResult& result);
  /// Has the server, or the way to it, failed?
  static bool isFailure(const StepResult& result);
  void committed(const ActorPtr& actor, const CommitId& id, bool empty, const StepResult& result);
  /// Its descendants leave with it.
  void leave(const ActorPtr& actor, bool toParent = false);
  void received(const HeardOf& heard);
  /// A lock that lapsed is not believed in once its node has been told.
  void checkLapse(const Belief& belief, const HeardOf& heard);
  void checkLatest(const Actor& actor, const std::string& what, Oid object,
                   const RecordPtr& record);
  void checkAge(const std::string& what, Oid object, const RecordPtr& record);
  void checkMissing(const Actor& actor, Oid object, bool wasThere, const StepResult& result);
  void checkHeld(const Actor& actor, Oid object, LockType asked);
  void checkRecord(const std::string& what, const RecordPtr& record);
  /// How long an answer takes at most: beyond the request's own time the client's slack, and one
  /// second more.
  static constexpr std::chrono::milliseconds kSlack{2'000};
  std::chrono::milliseconds boundOf(LockTimeout timeout) const;
  /// False when it ended in an exception.
  bool wait(FunctionRef<void()> call);

  SimNetwork& network_;
  Record& record_;
  const int number_;
  const ClientTemper temper_;
  SimCarrier carrier_;
  std::unique_ptr<RemoteDatabase> database_;
  std::vector<ActorPtr> actors_;
  std::vector<ActorPtr> gone_;  // Somebody may still call them.
  std::list<std::shared_ptr<Asked>> asked_;
  std::map<Oid, std::uint32_t> seen_;  // How old each object was seen here, at most.
  Oid node_;
  bool signingOn_ = false;
  bool stopping_ = false;
  int lastActor_ = 0;
};

}  // namespace nephrite
