#include "node/server_node.h"

#include <memory>

#include "base/log.h"
#include "base/mutex.h"
#include "node/local/configured_database.h"
#include "node/local/start_check.h"
#include "node/server/audit_log.h"
#include "node/server/server_sessions.h"
#include "node/server/socket_server.h"

namespace nephrite {
namespace {

ServerLimits limitsOf(const Settings& settings) {
  const NetworkServerSettings& network = settings.network;
  ServerLimits limits;
  limits.keepAlive = network.keepAliveTimeout;
  limits.grace = network.sessionGraceTime;
  limits.maxSessions = network.maxSessions;
  limits.maxProcessesPerSession = network.maxProcessesPerSession;
  limits.maxFrame = static_cast<std::uint32_t>(network.maxFrameSize);
  limits.slowReaderWarning = network.slowReaderWarning;
  limits.slowReaderLimit = network.slowReaderLimit;
  return limits;
}

SocketServer::Options socketsOf(const Settings& settings) {
  const NetworkServerSettings& network = settings.network;
  SocketServer::Options options;
  options.listenAddress = network.listenAddress;
  options.port = network.port;
  options.unixSocket = network.unixSocket;
  options.maxFrame = static_cast<std::uint32_t>(network.maxFrameSize);
  options.spin = network.spinTime;
  options.blockingThreads = network.commitThreads;
  return options;
}

bool isCoherent(const ServerSettings& settings) {
  if (settings.automaticCacheCoherency == CacheCoherency::ServerDefault) {
    return settings.automaticCacheCoherencyDefault;
  }
  return settings.automaticCacheCoherency == CacheCoherency::On;
}

}  // namespace

namespace {

/// What the database tells the sessions. A node of the application may keep the database, and
/// commit to it, for longer than there are sessions.
class Told {
 public:
  /// Null from the moment at which this returns: no session is being told any more.
  void setSessions(ServerSessions* sessions) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    sessions_ = sessions;
  }
  void committed(const ChangeSet& changes) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (sessions_ != nullptr) sessions_->committed(changes);
  }
  void lapsed(const LockAnswer& answer) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (sessions_ != nullptr) sessions_->lapsed(answer);
  }
  void classDefined(const std::shared_ptr<const ClassDef>& known) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (sessions_ != nullptr) sessions_->classDefined(known);
  }

 private:
  Mutex mutex_;  // Before those of ServerSessions and EventLoop.
  ServerSessions* sessions_ NEPHRITE_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace

struct ServerNode::Parts {
  explicit Parts(const Options& options)
      : configured({options.iniFile, {options.iniName, options.iniOverrides}, checkStart},
                   [told = told](LocalDatabase::Options& made) {
                     made.recordCommits = true;
                     made.committed = [told](const ChangeSet& changes) {
                       told->committed(changes);
                     };
                     made.lapsed = [told](const LockAnswer& answer) { told->lapsed(answer); };
                     made.classDefined = [told](const auto& known) { told->classDefined(known); };
                   }),
        settings(configured.settings()),
        audit(settings.network.auditLog, SystemClock::instance()),
        sockets(socketsOf(settings)),
        node(Node::signOn(configured.database(), options.nodeName)),
        sessions(*configured.database(), SystemClock::instance(), sessionOptions(options),
                 hooks()) {
    told->setSessions(&sessions);
    sockets.start(sessions);
  }

  ServerSessions::Options sessionOptions(const Options& options) const {
    ServerSessions::Options made;
    made.limits = limitsOf(settings);
    made.serverTimeout = settings.server.serverTimeout;
    made.coherent = isCoherent(settings.server);
    made.epoch = configured.database()->store().reserveNumbers("epoch", 1);
    made.version = options.version;
    // What a client knows of a session that is over names nothing in the next one.
    constexpr unsigned kNamesOfOneStart = 30;  // As a power of 2.
    constexpr std::uint64_t kStarts = 1u << 16;
    configured.database()->numberResourcesFrom(made.epoch % kStarts << kNamesOfOneStart);
    made.operatorLocker = node.info().locker;
    return made;
  }

  ServerSessions::Hooks hooks() {
    ServerSessions::Hooks made = sockets.hooks();
    made.audit = [this](const AuditEntry& entry) { audit.write(entry); };
    made.auditTrouble = [this] { return audit.trouble(); };
    // Weak: the sessions' hooks may be kept by the database itself.
    made.storeTrouble = [database = std::weak_ptr(configured.database())] {
      const auto kept = database.lock();
      return kept ? kept->store().trouble() : std::string();
    };
    return made;
  }

  void stop() {
    if (stopped) return;
    stopped = true;
    sockets.run([this] { sessions.endAll("the server node has stopped"); });
    told->setSessions(nullptr);
    sockets.stop();
    node.close();
    log(LogLevel::Info, "server.stopped");
  }

  const std::shared_ptr<Told> told = std::make_shared<Told>();
  ConfiguredDatabase configured;
  const Settings settings;  // As at the start.
  AuditLog audit;
  SocketServer sockets;
  Node node;
  ServerSessions sessions;
  bool stopped = false;
};

ServerNode::ServerNode(const Options& options) : parts_(std::make_unique<Parts>(options)) {
  log(LogLevel::Info, "server.started",
      {{"port", std::to_string(port())},
       {"socket", unixSocket().string()},
       {"ini", iniFile().string()},
       {"store", storeDirectory().string()}});
}

ServerNode::~ServerNode() { stop(); }

Node& ServerNode::node() { return parts_->node; }
std::shared_ptr<Database> ServerNode::database() const { return parts_->configured.database(); }
std::uint16_t ServerNode::port() const { return parts_->sockets.port(); }
const std::filesystem::path& ServerNode::unixSocket() const {
  return parts_->settings.network.unixSocket;
}
const std::filesystem::path& ServerNode::storeDirectory() const {
  return parts_->settings.store.systemFileDirectory;
}
const std::filesystem::path& ServerNode::iniFile() const { return parts_->configured.iniFile(); }

ServerNode::ReloadReport ServerNode::reload() {
  const ConfiguredDatabase::Report report = parts_->configured.reload();
  parts_->configured.log(report);
  const Settings now = parts_->configured.settings();
  parts_->sockets.setSpin(now.network.spinTime);
  parts_->sockets.run([&] { parts_->sessions.setLimits(limitsOf(now), now.server.serverTimeout); });
  return {report.changed, report.problems};
}

void ServerNode::drain() {
  parts_->sockets.run([this] { parts_->sessions.drain(); });
}

bool ServerNode::isQuiet() const { return parts_->sessions.isQuiet(); }

std::chrono::milliseconds ServerNode::drainTime() const {
  return parts_->configured.settings().network.drainTime;
}

void ServerNode::stop() { parts_->stop(); }

std::size_t ServerNode::sessionCount() const {
  std::size_t count = 0;
  parts_->sockets.run([&] { count = parts_->sessions.status().sessions; });
  return count;
}

std::string ServerNode::trouble() const { return parts_->sessions.trouble(); }

void ServerNode::touch() const {
  parts_->sockets.run([] {});
}

}  // namespace nephrite
