#pragma once

// Private to node.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "node/server/interest_table.h"
#include "node/server/server_connection.h"
#include "node/wire/frame.h"
#include "node/wire/messages.h"
#include "runtime/database/database.h"

namespace nephrite {

class ServerSession;

/// What one session may ask for, and how long it may be silent.
struct ServerLimits {
  std::chrono::milliseconds keepAlive{15'000};  ///< Silence after which a connection is lost.
  std::chrono::milliseconds grace{0};           ///< For so long a lost session keeps its locks.
  std::size_t maxSessions = 20'000;
  std::size_t maxProcessesPerSession = 1'000;
  std::size_t maxRequestsPerSession = 100'000;  ///< Not yet answered.
  std::uint32_t maxFrame = 16u << 20;           ///< Bytes.
  /// Unsent bytes of a session: with more, what else it would be told waits, nothing is read from
  /// it, and a log line names it when that lasts.
  std::size_t slowReaderWarning = 1u << 20;
  /// The same, with what waits: a session that has more is ended when that lasts, and it takes less
  /// than so much meanwhile.
  std::size_t slowReaderLimit = 32u << 20;
  std::size_t cachedObjectsPerSession = 1'000'000;  ///< Whose changes it is told of.

  /// What lasts so long is no large answer that is on its way.
  std::chrono::milliseconds slowAfter() const { return keepAlive / 3; }
  std::chrono::milliseconds tooSlowAfter() const { return 2 * keepAlive / 3; }
};

/// What an operator did by force.
struct AuditEntry {
  std::string verb;  ///< "unlock", "sign-off".
  std::string object;
  ProcessInfo process;  ///< That lost its lock, or was signed off.
  Operator by;
  std::string address;  ///< From where.
  bool done = false;
};

/// The sessions of client nodes: what they ask on the wire is asked of the database, and what it
/// answers goes back to them.
///
/// Sessions, not connections, own nodes, processes and locks. A session ends by a Goodbye, when its
/// connection is lost for longer than the grace time, or by force; then all its nodes sign off, and
/// nothing that still arrives in its name is listened to: its connection is closed, its key is
/// forgotten, its lockers are never given again.
///
/// Shape:   no socket, no thread, no clock of its own: frames are given to received(), time to
///          expire(). The simulation runs this very code.
/// Order:   messages of a session take effect in the order of their arrival; only commits, schema
///          changes and listings are done on the blocking pool (`Hooks::block`).
/// Threads: all on one strand, but for committed() and classDefined(). Answers of the database come
///          back to it by `Hooks::run`.
class ServerSessions {
 public:
  struct Options {
    ServerLimits limits;
    std::chrono::milliseconds serverTimeout{10'000};  ///< Told to clients.
    bool coherent = true;         ///< Clients are told which of their cached objects changed.
    std::uint64_t epoch = 1;      ///< Rises with each start of the server.
    std::string version = "dev";  ///< Told to clients.
    LockerId operatorLocker;      ///< Begins contention statistics for operators.
  };
  struct Hooks {
    /// Runs work on the strand: at once when called there, else soon, in the order of calls.
    std::function<void(std::function<void()>)> run;
    /// Runs work that may wait for the disk, elsewhere.
    std::function<void(std::function<void()>)> block;
    std::function<void(const AuditEntry&)> audit;
    /// Why nothing can be audited now; empty, as without the hook: it can.
    std::function<std::string()> auditTrouble = {};
    /// Why nothing can be committed now; empty, as without the hook: it can.
    std::function<std::string()> storeTrouble = {};
    /// 128 random bits that no stranger can guess.
    std::function<wire::SessionKey()> newKey;
  };

  /// `database` and `clock` must outlive this; ServerSessions must outlive whatever hooks run.
  ServerSessions(Database& database, const Clock& clock, Options options, Hooks hooks);
  ~ServerSessions();
  ServerSessions(const ServerSessions&) = delete;
  ServerSessions& operator=(const ServerSessions&) = delete;

  // --- Connections -----------------------------------------------------------------------------

  void opened(const std::shared_ptr<ServerConnection>& connection);
  void received(ServerConnection& connection, const wire::FrameView& frame) {
    received(connection, frame, clock_.now());
  }
  /// The same with the moment at which it came, for a reader of several at once.
  void received(ServerConnection& connection, const wire::FrameView& frame, Instant now);
  /// Its bytes make no sense; it is closed.
  void violated(ServerConnection& connection, const std::string& how);
  void closed(ServerConnection& connection);
  /// It took what we had to send: a sign of life, when it cannot say anything itself.
  void heard(ServerConnection& connection);
  /// What it takes at once has been sent, and something was left then or is now.
  void flushed(ServerConnection& connection);
  /// Whether to read from it. A client that asks and does not listen is not read from.
  bool listensTo(const ServerConnection& connection) const {
    return connection.bytesQueued() <= options_.limits.slowReaderWarning;
  }

  // --- Time --------------------------------------------------------------------------------------

  std::optional<Instant> nextDeadline() const;
  /// Ends what has been silent for too long at `now`.
  void expire(Instant now);

  // --- The server's life -------------------------------------------------------------------------

  /// For what comes from now on.
  void setLimits(const ServerLimits& limits, std::chrono::milliseconds serverTimeout);
  /// From now on no new client is let in; those that are here are told.
  void drain();
  /// No locker holds or waits for anything.
  bool isQuiet() const;
  /// Ends all sessions.
  void endAll(const std::string& why);

  /// Tells the others which objects a commit changed. Any thread; before its locks are released.
  void committed(const ChangeSet& changes) NEPHRITE_EXCLUDES(committedMutex_);

  /// Tells the client of the process whose lock has lapsed. Any thread; before other processes are
  /// told that they have that lock.
  void lapsed(const LockAnswer& answer) NEPHRITE_EXCLUDES(committedMutex_);

  /// Tells all clients of a class that is new or has grown. Any thread; before any process can have
  /// made an object of it.
  void classDefined(const std::shared_ptr<const ClassDef>& made);

  wire::Status status() const;
  /// Why the server cannot do all of its work, and what to do; empty when it can.
  std::string trouble() const;

  // --- For the sessions --------------------------------------------------------------------------

  Database& database() const { return database_; }
  /// The same for callbacks that may outlive these sessions.
  std::weak_ptr<Database*> databaseWhileHere() const { return databaseWhileHere_; }
  const Clock& clock() const { return clock_; }
  /// When the message came that is being dealt with.
  Instant receivedAt() const { return receivedAt_; }
  /// A message is dealt with that has waited.
  void goesOn() { receivedAt_ = clock_.now(); }
  const Options& options() const { return options_; }
  const Hooks& hooks() const { return hooks_; }
  InterestTable& interest() { return interest_; }

  void own(LockerId locker, std::uint64_t session) { owners_[locker.value] = session; }
  void disown(LockerId locker) { owners_.erase(locker.value); }
  /// Null when no session has it.
  ServerSession* ownerOf(LockerId locker) const;
  ServerSession* ownerOf(Oid node) const;
  /// Told to every session.
  void broadcast(const wire::FromServer& message);
  void end(ServerSession& session, const std::string& why);
  /// The same of one whose client has sent what no client of ours sends.
  void violated(ServerSession& session);
  /// Why a client could not be sent `record`, which may be null; empty when it can.
  std::optional<RequestFailure> faultOf(const RecordPtr& record) const;
  bool isDraining() const { return draining_; }
  /// Before anything is said of a lock that was granted: the commits that made the grant possible
  /// are told first, and the lapses. True when there was a commit.
  bool tellCommitted() {
    return hasCommitted_.load(std::memory_order_acquire) && tellAllCommitted();
  }
  void countSent() { ++framesOut_; }

 private:
  struct Link;  // A connection and the session it belongs to.
  using Links = std::list<Link>;
  using LinksSince = std::list<std::pair<Instant, Link*>>;  // In order.

  Link* linkOf(ServerConnection& connection);
  void heard(Links::iterator link, Instant now);
  void hello(Link& link, const wire::Hello& hello, const wire::FrameHeader& header);
  bool resume(Link& link, const wire::Hello& hello, const wire::FrameHeader& header);
  void begin(Link& link, const wire::Hello& hello);
  void welcome(Link& link, bool resumed);
  void refuse(Link& link, ErrorCode code, const std::string& what);
  void lose(Link& link, const std::string& why);
  void warnSlow(Link& link);
  void endSlow(Link& link);
  bool tellAllCommitted() NEPHRITE_EXCLUDES(committedMutex_);
  void sendInvalidations(ChangeSet changes);

  Database& database_;
  const std::shared_ptr<Database*> databaseWhileHere_ = std::make_shared<Database*>(&database_);
  const Clock& clock_;
  Options options_;
  const Hooks hooks_;
  InterestTable interest_;
  bool draining_ = false;
  Instant receivedAt_{};
  std::uint64_t lastSession_ = 0;
  std::uint64_t lostSessions_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t framesIn_ = 0;
  std::uint64_t framesOut_ = 0;
  WallTime started_;

  Links links_;      // Longest silent first.
  LinksSince slow_;  // Since when more is unsent than the warning says, and no warning was given.
  LinksSince tooSlow_;  // Since when it is more than the limit.
  std::unordered_map<const ServerConnection*, Links::iterator> linkByConnection_;
  std::unordered_map<std::uint64_t, std::shared_ptr<ServerSession>> sessions_;
  std::map<wire::SessionKey, std::uint64_t> sessionByKey_;
  std::list<std::pair<Instant, std::uint64_t>> lost_;  // Since when without a connection; in order.
  std::unordered_map<std::uint64_t, std::uint64_t> owners_;  // Session by locker.
  std::map<Oid::ClassNumber, std::shared_ptr<const ClassDef>> classesTold_;

  // Commits whose locks are perhaps released already, and which are not told yet. They do not come
  // as posted work alone: what the strand is dealing with may be granted one of those locks first.
  Mutex committedMutex_;  // A leaf.
  std::vector<ChangeSet> committedUntold_ NEPHRITE_GUARDED_BY(committedMutex_);
  std::vector<LockAnswer> lapsedUntold_ NEPHRITE_GUARDED_BY(committedMutex_);  // The same of these.
  std::atomic<bool> hasCommitted_{false};
};

}  // namespace nephrite
