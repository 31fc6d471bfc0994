#include "tests/support/database_form.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "node/client/remote_database.h"
#include "node/server/server_sessions.h"
#include "tests/support/loopback.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

// The longest that can be said: the clocks of tests jump by weeks.
constexpr milliseconds kNeverSilent{INT32_MAX};

ServerLimits limits() {
  ServerLimits limits;
  limits.keepAlive = kNeverSilent;
  return limits;
}

}  // namespace

std::string nameOf(Form form) { return form == Form::Local ? "Local" : "Wire"; }

/// A server's sessions and a client's database, and the wire between them.
struct DatabaseForm::Wire {
  Wire(std::shared_ptr<ObjectStore> store, const Clock& clock, const Options& options)
      : queue(options.networkThread ? LoopbackQueue::Threads::Own : LoopbackQueue::Threads::None),
        local(std::move(store), clock, served(options.local)),
        sessions(local, clock, sessionOptions(options), hooks()),
        carrier(queue, sessions),
        remote(std::make_unique<RemoteDatabase>(carrier, clock, clientOptions(options))) {
    serving = &sessions;
  }

  ~Wire() {
    remote.reset();
    queue.stop();
    serving = nullptr;
  }

  LocalDatabase::Options served(LocalDatabase::Options made) {
    made.recordCommits = true;
    made.committed = [this](const ChangeSet& changes) {
      if (ServerSessions* const all = serving.load()) all->committed(changes);
    };
    made.lapsed = [this](const LockAnswer& answer) {
      if (ServerSessions* const all = serving.load()) all->lapsed(answer);
    };
    return made;
  }

  static ServerSessions::Options sessionOptions(const Options& options) {
    ServerSessions::Options made;
    made.limits = limits();
    made.serverTimeout = options.local.locks.serverTimeout;
    made.coherent = options.coherent;
    return made;
  }

  ServerSessions::Hooks hooks() {
    ServerSessions::Hooks made;
    made.run = [this](std::function<void()> work) { queue.run(std::move(work)); };
    made.block = [this](std::function<void()> work) { queue.post(std::move(work)); };
    made.audit = [](const AuditEntry&) {};
    made.newKey = [this] {
      wire::SessionKey key{};
      key[0] = ++lastKey;
      return key;
    };
    return made;
  }

  static RemoteDatabase::Options clientOptions(const Options& options) {
    RemoteDatabase::Options made;
    // The tests' clock jumps by weeks; the network's stands still, and nobody is ever silent.
    static const ManualClock standing;
    made.session.timeouts = &standing;
    made.backgroundTimeout = options.local.locks.backgroundTimeout;
    made.coherent = options.coherent;
    made.threads = options.local.threads;
    return made;
  }

  LoopbackQueue queue;
  std::atomic<ServerSessions*> serving{nullptr};
  std::uint8_t lastKey = 0;
  LocalDatabase local;
  ServerSessions sessions;
  LoopbackCarrier carrier;
  std::unique_ptr<RemoteDatabase> remote;
};

DatabaseForm::DatabaseForm(Form form, std::shared_ptr<ObjectStore> store, const Clock& clock,
                           const Options& options)
    : backgroundTimeout_(options.local.locks.backgroundTimeout) {
  if (form == Form::Local) {
    local_ = std::make_shared<LocalDatabase>(std::move(store), clock, options.local);
    database_ = local_;
  } else {
    wire_ = std::make_shared<Wire>(std::move(store), clock, options);
    database_ = std::shared_ptr<Database>(wire_, wire_->remote.get());
  }
}

DatabaseForm::~DatabaseForm() = default;

LocalDatabase& DatabaseForm::local() const { return local_ ? *local_ : wire_->local; }

void DatabaseForm::setServerTimeout(milliseconds timeout) {
  local().setTimeouts(timeout, backgroundTimeout_);
  if (wire_ == nullptr) return;
  wire_->queue.run([this, timeout] { wire_->sessions.setLimits(limits(), timeout); });
  settle();
}

void DatabaseForm::setTimeouts(milliseconds server, milliseconds background) {
  backgroundTimeout_ = background;
  if (wire_) wire_->remote->setBackgroundTimeout(background);
  setServerTimeout(server);
}

void DatabaseForm::settle() {
  if (wire_ == nullptr) return;
  wire_->queue.settle();
}

std::optional<Instant> DatabaseForm::nextDeadline() {
  settle();
  const auto server = local().nextDeadline();
  if (wire_ == nullptr) return server;
  const auto client = wire_->remote->nextDeadline();
  if (!server || !client) return server ? server : client;
  return std::min(*server, *client);
}

bool DatabaseForm::expireNext(Instant now) {
  settle();
  const bool ended = local().expireNext(now) || (wire_ && wire_->remote->expireNext(now));
  settle();
  return ended;
}

}  // namespace nephrite
