#include "node/program/lock_command.h"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/plain_text.h"
#include "ini/ini_problem.h"
#include "node/client/connected_database.h"
#include "node/program/running_command.h"
#include "runtime/database/locker_port.h"
#include "runtime/database/resource_names.h"
#include "runtime/errors/exceptions.h"
#include "runtime/node.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr int kNotHeld = EX_TEMPFAIL;
constexpr int kRenewalsInALease = 3;
constexpr milliseconds kPatience{1'000};  // With a request that is withdrawn.

Instant now() { return SystemClock::instance().now(); }

std::string nameOfNode() {
  const NodeOrigin origin = thisProgram();
  return fmt::format("{} pid {}", plainText(origin.host), origin.pid);
}

// A process has a name of text, and a short one; a resource need not.
std::string nameOfProcess(const std::string& resource) {
  constexpr std::size_t kMost = 120;
  std::string name = "lock " + plainText(resource);
  if (name.size() <= kMost) return name;
  std::size_t end = kMost;
  while ((name[end] & '\xC0') == '\x80') --end;
  return name.substr(0, end) + "...";
}

/// Renews a lease at a third of its length, and knows until when it is surely held.
///
/// Shape:   `renew` asks the server and waits for its answer; false: not held, or no answer.
///          A renewal that is confirmed counts from the moment when it was asked for: the server
///          lets the lock go later than that.
/// Threads: one of its own; any may ask.
class LeaseKeeper {
 public:
  LeaseKeeper(milliseconds length, std::function<bool()> renew)
      : length_(length), renew_(std::move(renew)) {}

  ~LeaseKeeper() {
    requestStop();
    if (thread_.joinable()) thread_.join();
  }

  /// False when it is not held any more.
  bool renewNow() {
    const Instant asked = now();
    if (!renew_()) return false;
    heldUntil_ = (asked + length_).sinceStart.count();
    return true;
  }
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void requestStop() {
    MutexLock hold(mutex_);
    isStopped_ = true;
    stopped_.notifyAll();
  }

  /// How long it is surely held yet; not positive: it may be somebody else's.
  milliseconds left() const {
    return std::chrono::floor<milliseconds>(Duration(heldUntil_.load()) - now().sinceStart);
  }
  milliseconds length() const { return length_; }

 private:
  // What was not confirmed is tried again soon: the rest of the lease is there for that.
  void run() {
    constexpr Duration kShortest = std::chrono::microseconds(500);
    const auto usual = std::max(Duration(length_) / kRenewalsInALease, kShortest);
    Duration pause = usual;
    while (!isStoppedAfter(pause)) {
      pause = renewNow() ? usual : std::min<Duration>(usual, milliseconds(100));
    }
  }
  bool isStoppedAfter(Duration pause) {
    const Instant until = now() + pause;
    MutexLock hold(mutex_);
    while (!isStopped_ && now() < until) stopped_.waitFor(mutex_, until - now());
    return isStopped_;
  }

  const milliseconds length_;
  const std::function<bool()> renew_;
  std::atomic<Duration::rep> heldUntil_{0};
  Mutex mutex_;
  bool isStopped_ NEPHRITE_GUARDED_BY(mutex_) = false;
  CondVar stopped_;
  std::thread thread_;
};

/// The lock as this program holds it, with the session that it belongs to.
class LockOfCommand {
 public:
  LockOfCommand(const LockCommand& command, const Bell& bell)
      : command_(command),
        connected_(std::make_shared<ConnectedDatabase>(settingsOf(command.where),
                                                       [&bell] { bell.ring(); })) {
    if (command_.ttl) {
      keeper_ = std::make_unique<LeaseKeeper>(
          *command_.ttl, [this] { return port_->renew(target_, Renewal::Request); });
    }
  }
  // What the keeper still asks for fails when the session ends, so that its thread can end.
  ~LockOfCommand() {
    if (keeper_) keeper_->requestStop();
    process_ = Process();
    node_.close();
    connected_->close();
    keeper_.reset();
  }
  LockOfCommand(const LockOfCommand&) = delete;
  LockOfCommand& operator=(const LockOfCommand&) = delete;

  /// Waits for it. SystemException and its children.
  void take(const std::stop_token& stop) {
    database().awaitConnection();
    NodeSignOn who;
    who.name = nameOfNode();
    who.face = Face::Locks;
    node_ = Node::signOn(ConnectedDatabase::asDatabase(connected_), who);
    process_ = node_.signOn({.user = userHere(), .name = nameOfProcess(command_.resource)});
    locker_ = process_.info().locker;
    port_ = database().port(locker_);
    resource_ = process_.resource(command_.resource);
    target_ = resource_.oid();
    LockCall call{.type = command_.type,
                  .duration = LockDuration::Session,
                  .timeout = command_.timeout,
                  .stop = stop};
    if (command_.ttl) call.lease = LeaseTerms(*command_.ttl);
    // Update is asked for in transaction state alone, and stays when that ends.
    const bool isUpdate = command_.type == LockType::Update;
    if (isUpdate) process_.beginTransaction();
    resource_.lock(call);
    if (isUpdate) process_.abortTransaction();
    // The answer may have been long on its way: it is surely held from here on.
    if (keeper_ && keeper_->renewNow()) keeper_->start();
    token_ = resource_.lockStatus().token;
  }

  FencingToken token() const { return token_; }

  /// Why it is lost, as far as is known here; empty: it is held.
  std::string loss() {
    try {
      port_->checkReach();
    } catch (const SystemException& gone) {
      return gone.what();
    }
    const bool mayHold = port_->mayHold({&target_, 1}).front();
    if (!mayHold && port_->lapsedSince(target_, 0)) {
      return fmt::format("its lease of {} ms was not renewed in time", keeper_->length().count());
    }
    if (!mayHold) return "an operator took it away; the audit log of the server says who and why";
    if (keeper_ && keeper_->left().count() <= 0) {
      return fmt::format("the server has not confirmed its lease of {} ms in time",
                         keeper_->length().count());
    }
    return {};
  }
  /// The same, as the server knows it.
  std::string lossAtServer() {
    try {
      for (const LockInfo& lock : database().locksOn(target_)) {
        if (lock.requestedBy == locker_ && !lock.waiting && lock.token == token_) return {};
      }
      const std::string why = loss();
      return why.empty() ? "the server does not know it any more" : why;
    } catch (const SystemException& gone) {
      return gone.what();
    }
  }
  /// Until when loss() need not be asked unless something is heard.
  std::optional<milliseconds> surelyHeldFor() const {
    if (!keeper_) return std::nullopt;
    return std::max(keeper_->left() + milliseconds(1), milliseconds(1));
  }

 private:
  RemoteDatabase& database() { return connected_->database(); }

  const LockCommand& command_;
  const std::shared_ptr<ConnectedDatabase> connected_;
  Node node_;
  Process process_;
  Resource resource_;
  LockerId locker_;
  std::shared_ptr<LockerPort> port_;
  Oid target_;
  FencingToken token_;
  std::unique_ptr<LeaseKeeper> keeper_;
};

/// One call of `nephrite lock`.
class LockRun {
 public:
  LockRun(const LockCommand& command, std::ostream& err) : command_(command), err_(err) {}

  int run() {
    lock_ = std::make_unique<LockOfCommand>(command_, bell_);
    if (const auto signal = waitForLock()) return 128 + *signal;
    if (const std::string why = lock_->loss(); !why.empty()) {
      say("the lock on " + resource() + " was lost before the command was started: " + why);
      return kNotHeld;
    }
    inherited_.keepOthersHere();
    RunningCommand running(command_.command,
                           {"NEPHRITE_LOCK=" + command_.resource,
                            "NEPHRITE_TOKEN=" + std::to_string(lock_->token().value)},
                           signals_);
    return hold(running);
  }

 private:
  std::string resource() const { return showResource(command_.resource); }
  void say(const std::string& what) { err_ << "nephrite lock: " << what << std::endl; }

  /// Throws why it is not to be had. The signal, when one came first.
  std::optional<int> waitForLock() {
    std::exception_ptr failure;
    std::atomic<bool> isOver{false};
    std::jthread asking([&](const std::stop_token& stop) {
      try {
        lock_->take(stop);
      } catch (...) {
        failure = std::current_exception();
      }
      isOver = true;
      bell_.ring();
    });
    std::optional<int> given;
    Instant givenAt{};
    while (!isOver) {
      const auto taken =
          signals_.await(bell_, given ? std::optional(milliseconds(10)) : std::nullopt);
      if (taken && !given) {
        given = taken->number;
        givenAt = now();
        asking.request_stop();
      }
      // The request ends with the session, and that with us.
      if (given && !isOver && now() - givenAt > kPatience) ::_exit(128 + *given);
    }
    asking.join();
    if (!given && failure) std::rethrow_exception(failure);
    return given;
  }

  /// Until the command has ended. What is seen in one moment, its end and the loss of the lock,
  /// is a loss: it may have run without the lock.
  int hold(RunningCommand& running) {
    for (;;) {
      if (const std::string why = lock_->loss(); !why.empty()) return lost(running, why);
      if (const auto status = running.ended()) {
        const std::string why = lock_->lossAtServer();
        if (why.empty()) return *status;
        say(
            fmt::format("the lock on {} was lost before the command was seen to have ended, with "
                        "status {}: {}",
                        resource(), *status, why));
        return kNotHeld;
      }
      if (const auto signal = signals_.await(bell_, lock_->surelyHeldFor())) running.pass(*signal);
    }
  }

  int lost(RunningCommand& running, const std::string& why) {
    say(fmt::format("the lock on {} is lost: {}; '{}' (pid {}) is ended", resource(), why,
                    plainText(command_.command.front()), running.pid()));
    if (!running.end(command_.grace, signals_)) {
      say(fmt::format("it did not end on SIGTERM within {} ms, and was killed",
                      command_.grace.count()));
    }
    return kNotHeld;
  }

  const LockCommand& command_;
  std::ostream& err_;
  const InheritedDescriptors inherited_;  // First of all that opens any.
  TakenSignals signals_;
  const Bell bell_;
  std::unique_ptr<LockOfCommand> lock_;
};

// Not a lock that will be free, but a mistake.
bool isWrongUse(ErrorCode code) {
  return code == ErrorCode::NotLockable || code == ErrorCode::TooLarge ||
         code == ErrorCode::WrongValueType;
}

}  // namespace

int lockCommand(const LockCommand& command, std::ostream& err) {
  const auto failed = [&](const std::exception& why, int status) {
    err << "nephrite lock: " << why.what() << '\n';
    return status;
  };
  try {
    if (command.resource.empty() || command.resource.size() > NamedResource::kMostBytes) {
      throw WrongUse(fmt::format("the name of a resource has 1 to {} bytes, and this one {}",
                                 NamedResource::kMostBytes, command.resource.size()));
    }
    setLogLevel(LogLevel::Error);  // What is wrong is said here, not in a log.
    return LockRun(command, err).run();
  } catch (const WrongUse& wrong) {
    return failed(wrong, 2);
  } catch (const IniError& wrong) {
    return failed(wrong, 2);
  } catch (const CannotRun& why) {
    return failed(why, why.status());
  } catch (const ConnectionException& gone) {
    failed(gone, kNotHeld);
    err << "Is it running (nephrite server --ini FILE), and is that its address (--connect, "
           "--ini)?\n";
    return kNotHeld;
  } catch (const SystemException& refused) {
    return failed(refused, isWrongUse(refused.code()) ? 2 : kNotHeld);
  } catch (const std::exception& failure) {
    return failed(failure, 1);
  }
}

}  // namespace nephrite
