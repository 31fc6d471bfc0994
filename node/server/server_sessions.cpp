#include "node/server/server_sessions.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "node/server/server_session.h"
#include "runtime/database/object_size.h"
#include "runtime/database/sign_on_names.h"

namespace nephrite {
namespace {

/// All `classes`, as many in a row as go well into one message.
std::vector<std::vector<ClassDef>> inParts(
    const std::vector<std::shared_ptr<const ClassDef>>& classes) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  std::vector<std::vector<ClassDef>> parts;
  std::size_t bytes = kMostBytes;
  for (const auto& known : classes) {
    std::size_t more = 64 + known->name.size();
    for (const PropertyDef& property : known->properties) more += 32 + property.name.size();
    if (bytes + more > kMostBytes) {
      parts.emplace_back();
      bytes = 0;
    }
    bytes += more;
    parts.back().push_back(*known);
  }
  return parts;
}

/// Why a client node may not be called what it says; empty when it may.
std::optional<RequestFailure> faultOfNames(const wire::Hello& hello) {
  auto fault = faultOfName("the name of a host", hello.host);
  return fault ? fault : faultOfName("the name of a program", hello.program);
}
constexpr const char* kForeignMessage = "a message that no client node sends";

}  // namespace

struct ServerSessions::Link {
  std::shared_ptr<ServerConnection> connection;
  std::shared_ptr<ServerSession> session;  // Null until its Hello.
  Instant lastHeard{};
  std::optional<LinksSince::iterator> slow = {};  // Where it stands in these.
  std::optional<LinksSince::iterator> tooSlow = {};
  bool warned = false;
  std::uint64_t takenThen = 0;  // Of it, when it began to stand in tooSlow_.
};

ServerSessions::ServerSessions(Database& database, const Clock& clock, Options options, Hooks hooks)
    : database_(database),
      clock_(clock),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      interest_(options_.limits.cachedObjectsPerSession),
      started_(clock.wallNow()) {}

ServerSessions::~ServerSessions() { endAll("the server has ended"); }

// --- Connections ---------------------------------------------------------------------------------

void ServerSessions::opened(const std::shared_ptr<ServerConnection>& connection) {
  links_.push_back({connection, nullptr, clock_.now()});
  linkByConnection_[connection.get()] = std::prev(links_.end());
}

ServerSessions::Link* ServerSessions::linkOf(ServerConnection& connection) {
  const auto it = linkByConnection_.find(&connection);
  return it == linkByConnection_.end() ? nullptr : &*it->second;
}

void ServerSessions::received(ServerConnection& connection, const wire::FrameView& frame,
                              Instant now) {
  const auto known = linkByConnection_.find(&connection);
  if (known == linkByConnection_.end()) return;  // We hung up on it.
  ++framesIn_;
  receivedAt_ = now;
  heard(known->second, now);
  Link& link = *known->second;

  wire::FromClient message;
  try {
    message = wire::decodeFromClient(frame.message, now);
  } catch (const wire::WireError& error) {
    return violated(connection, error.what());
  }
  if (link.session == nullptr) {
    if (const auto* const first = std::get_if<wire::Hello>(&message)) {
      return hello(link, *first, frame.header);
    }
    return violated(connection, "the first message is no Hello");
  }

  const std::shared_ptr<ServerSession> session = link.session;
  switch (session->stream().received(frame.header)) {
    case wire::SessionStream::Arrival::New: break;
    case wire::SessionStream::Arrival::Duplicate: return;
    case wire::SessionStream::Arrival::Gap:
      return violated(connection, "messages are missing before number " +
                                      std::to_string(frame.header.sequence));
  }
  if (!session->handle(message, frame.message.size())) {
    return violated(connection, kForeignMessage);
  }
}

void ServerSessions::heard(ServerConnection& connection) {
  const auto known = linkByConnection_.find(&connection);
  if (known != linkByConnection_.end()) heard(known->second, clock_.now());
}

void ServerSessions::heard(Links::iterator link, Instant now) {
  link->lastHeard = now;
  links_.splice(links_.end(), links_, link);
}

void ServerSessions::violated(ServerConnection& connection, const std::string& how) {
  Link* const link = linkOf(connection);
  if (link == nullptr) return;
  log(LogLevel::Warning, "connection.violated", {{"from", connection.address()}, {"how", how}});
  const std::shared_ptr<ServerSession> session = link->session;
  refuse(*link, ErrorCode::ServerRefused, how);
  if (session) end(*session, "it broke the protocol: " + how);
}

void ServerSessions::violated(ServerSession& session) {
  if (session.connection()) return violated(*session.connection(), kForeignMessage);
  end(session, std::string("it broke the protocol: ") + kForeignMessage);
}

void ServerSessions::closed(ServerConnection& connection) {
  Link* const link = linkOf(connection);
  if (link != nullptr) lose(*link, "the connection was closed");
}

// The connection is over. Its session may wait for another one.
void ServerSessions::lose(Link& link, const std::string& why) {
  const std::shared_ptr<ServerSession> session = link.session;
  const std::shared_ptr<ServerConnection> connection = link.connection;
  const auto known = linkByConnection_.find(connection.get());
  const Links::iterator at = known->second;
  if (link.slow) slow_.erase(*link.slow);
  if (link.tooSlow) tooSlow_.erase(*link.tooSlow);
  linkByConnection_.erase(known);
  links_.erase(at);
  connection->close();
  if (session == nullptr || session->isOver()) return;
  session->detach();
  if (options_.limits.grace.count() == 0 || !session->stream().keepsAll()) {
    return end(*session, why);
  }
  log(LogLevel::Warning, "session.waits",
      {{"session", std::to_string(session->number())}, {"why", why}});
  lost_.emplace_back(clock_.now(), session->number());
}

void ServerSessions::refuse(Link& link, ErrorCode code, const std::string& what) {
  const wire::FromServer refusal = wire::Refusal{{code, what}, true};
  const wire::SessionStream stream(0);
  link.connection->send(stream.sendUnnumbered(wire::encode(refusal, clock_.now())));
  const std::shared_ptr<ServerSession> session = std::exchange(link.session, nullptr);
  if (session) session->detach();
  lose(link, what);
}

// --- Sessions ------------------------------------------------------------------------------------

void ServerSessions::hello(Link& link, const wire::Hello& hello, const wire::FrameHeader& header) {
  if (hello.versionLow > wire::kVersion || hello.versionHigh < wire::kLeastVersion) {
    return refuse(link, ErrorCode::ServerRefused,
                  "this server speaks versions " + std::to_string(wire::kLeastVersion) + " to " +
                      std::to_string(wire::kVersion) + " of the protocol, the client " +
                      std::to_string(hello.versionLow) + " to " +
                      std::to_string(hello.versionHigh) + "; install matching versions");
  }
  if (const auto fault = faultOfNames(hello)) return refuse(link, fault->code, fault->what);
  if (hello.session && resume(link, hello, header)) return;
  if (hello.replaces) {
    const auto old = sessionByKey_.find(*hello.replaces);
    if (old != sessionByKey_.end()) {
      const std::shared_ptr<ServerSession> session = sessions_.at(old->second);
      end(*session, "its client began another one");
    }
  }
  if (draining_) return refuse(link, ErrorCode::ServerRefused, "the server is shutting down");
  if (sessions_.size() >= options_.limits.maxSessions) {
    return refuse(link, ErrorCode::ServerRefused,
                  "there are " + std::to_string(sessions_.size()) +
                      " sessions, as many as [NephriteServer] MaxSessions allows");
  }
  begin(link, hello);
}

bool ServerSessions::resume(Link& link, const wire::Hello& hello, const wire::FrameHeader& header) {
  const auto known = sessionByKey_.find(*hello.session);
  if (hello.epoch != options_.epoch || known == sessionByKey_.end()) return false;
  const std::shared_ptr<ServerSession> session = sessions_.at(known->second);
  if (session->version() != ServerSession::versionFor(hello)) return false;
  const auto missing = session->stream().missingAfter(header.acknowledged);
  if (!missing) {
    end(*session, "its client missed more than is kept");
    return false;
  }
  if (const auto old = session->connection()) {
    // The client knows better than we that its old connection is gone.
    if (Link* const oldLink = linkOf(*old)) {
      oldLink->session = nullptr;
      lose(*oldLink, "its client came back by another connection");
    }
  }
  std::erase_if(lost_, [&](const auto& entry) { return entry.second == session->number(); });
  link.session = session;
  session->attach(link.connection);
  log(LogLevel::Info, "session.resumed", {{"session", std::to_string(session->number())}});
  welcome(link, true);
  for (const std::string& frame : *missing) link.connection->send(frame);
  session->sendDeferred();
  return true;
}

void ServerSessions::begin(Link& link, const wire::Hello& hello) {
  const wire::SessionKey key = hooks_.newKey();
  const auto session = std::make_shared<ServerSession>(*this, ++lastSession_, key, hello);
  sessions_[session->number()] = session;
  sessionByKey_[key] = session->number();
  link.session = session;
  session->attach(link.connection);
  log(LogLevel::Debug, "session.began",
      {{"session", std::to_string(session->number())}, {"from", link.connection->address()}});
  welcome(link, false);
}

void ServerSessions::welcome(Link& link, bool resumed) {
  wire::Welcome welcome;
  welcome.version = link.session->version();
  welcome.server = options_.version;
  welcome.session = link.session->key();
  welcome.epoch = options_.epoch;
  welcome.resumed = resumed;
  welcome.keepAlive = options_.limits.keepAlive;
  welcome.grace = options_.limits.grace;
  welcome.serverTimeout = options_.serverTimeout;
  welcome.maxFrame = options_.limits.maxFrame;
  welcome.coherent = options_.coherent;
  welcome.takesShort = true;
  welcome.system = database_.system();
  welcome.systemNodes = database_.systemNodes();
  auto parts = inParts(database_.schema()->classes());
  if (!parts.empty()) welcome.classes = std::move(parts.front());
  link.connection->send(
      link.session->stream().sendUnnumbered(wire::encode(wire::FromServer(welcome), clock_.now())));
  if (resumed) return;  // The others it has been told of, in the session.
  for (std::size_t part = 1; part < parts.size(); ++part)
    link.session->send(wire::ClassesChanged{std::move(parts[part])});
}

// --- Slow readers --------------------------------------------------------------------------------

// A large answer is no sign of a slow reader; what stays unsent for a time is.
void ServerSessions::flushed(ServerConnection& connection) {
  Link* const link = linkOf(connection);
  if (link == nullptr || link->session == nullptr) return;
  link->session->sendDeferred();
  const std::size_t unsent = link->session->bytesUnsent();
  const Instant now = clock_.now();
  const auto stand = [&](LinksSince& in, std::optional<LinksSince::iterator>& at, bool belongs) {
    if (belongs == at.has_value()) return;
    if (belongs) {
      at = in.emplace(in.end(), now, link);
    } else {
      in.erase(*at);
      at.reset();
    }
  };
  const bool isSlow = unsent > options_.limits.slowReaderWarning;
  stand(slow_, link->slow, isSlow && !link->warned);
  if (!isSlow) link->warned = false;

  const std::size_t limit = options_.limits.slowReaderLimit;
  const bool isOver = unsent > limit;
  const bool goesOn = link->tooSlow && connection.bytesTaken() - link->takenThen > limit;
  if (goesOn) stand(tooSlow_, link->tooSlow, false);
  if (isOver && !link->tooSlow) link->takenThen = connection.bytesTaken();
  stand(tooSlow_, link->tooSlow, isOver);
}

void ServerSessions::warnSlow(Link& link) {
  slow_.erase(*link.slow);
  link.slow.reset();
  link.warned = true;
  const std::shared_ptr<ServerSession> session = link.session;
  log(LogLevel::Warning, "session.slow",
      {{"session", std::to_string(session->number())},
       {"from", link.connection->address()},
       {"unsent_bytes", std::to_string(session->bytesUnsent())}});
  session->send(wire::Notice{
      "this client reads its answers too slowly; it will be disconnected when too much is left",
      {}});
}

void ServerSessions::endSlow(Link& link) {
  const std::shared_ptr<ServerSession> session = link.session;
  const std::string why = "it reads too slowly: " + std::to_string(session->bytesUnsent()) +
                          " bytes are unsent, more than [NephriteServer] SlowReaderLimit=" +
                          std::to_string(options_.limits.slowReaderLimit) + ", for " +
                          std::to_string(options_.limits.tooSlowAfter().count()) + " ms";
  log(LogLevel::Warning, "session.too_slow",
      {{"session", std::to_string(session->number())},
       {"from", link.connection->address()},
       {"unsent_bytes", std::to_string(session->bytesUnsent())}});
  lose(link, why);
  if (!session->isOver()) end(*session, why);
}

std::optional<RequestFailure> ServerSessions::faultOf(const RecordPtr& record) const {
  if (record == nullptr) return std::nullopt;
  const std::uint32_t most = std::max(options_.limits.maxFrame, wire::kLeastClientFrame);
  return faultOfSize(*record, most - wire::kRoomBesideObject, *database_.schema());
}

void ServerSessions::end(ServerSession& session, const std::string& why) {
  if (session.isOver()) return;
  const std::shared_ptr<ServerSession> kept = session.shared_from_this();
  sessions_.erase(session.number());
  sessionByKey_.erase(session.key());
  interest_.forget(session.number());
  std::erase_if(lost_, [&](const auto& entry) { return entry.second == kept->number(); });
  const bool clean = why.empty();
  if (!clean) ++lostSessions_;
  log(clean ? LogLevel::Debug : LogLevel::Warning, "session.ended",
      {{"session", std::to_string(session.number())},
       {"why", clean ? "goodbye" : why},
       {"nodes", std::to_string(session.nodeCount())}});
  session.end();
  const auto connection = session.connection();
  if (connection == nullptr) return;
  Link* const link = linkOf(*connection);
  if (link == nullptr) return;
  if (clean) {
    link->session = nullptr;
    lose(*link, "");
  } else {
    refuse(*link, ErrorCode::ConnectionLost, why);
  }
}

ServerSession* ServerSessions::ownerOf(LockerId locker) const {
  const auto owner = owners_.find(locker.value);
  if (owner == owners_.end()) return nullptr;
  const auto session = sessions_.find(owner->second);
  return session == sessions_.end() ? nullptr : session->second.get();
}

ServerSession* ServerSessions::ownerOf(Oid node) const {
  for (const auto& [number, session] : sessions_) {
    if (session->hasNode(node)) return session.get();
  }
  return nullptr;
}

void ServerSessions::broadcast(const wire::FromServer& message) {
  const std::string encoded = wire::encode(message, clock_.now());
  for (const auto& [number, session] : sessions_) session->send(message, encoded);
}

// --- Time ----------------------------------------------------------------------------------------

std::optional<Instant> ServerSessions::nextDeadline() const {
  std::optional<Instant> next;
  if (!links_.empty()) next = links_.front().lastHeard + options_.limits.keepAlive;
  if (!lost_.empty()) {
    const Instant over = lost_.front().first + options_.limits.grace;
    next = next ? std::min(*next, over) : over;
  }
  if (!slow_.empty()) next = std::min(*next, slow_.front().first + options_.limits.slowAfter());
  if (!tooSlow_.empty())
    next = std::min(*next, tooSlow_.front().first + options_.limits.tooSlowAfter());
  return next;
}

void ServerSessions::expire(Instant now) {
  while (!slow_.empty() && slow_.front().first + options_.limits.slowAfter() <= now) {
    warnSlow(*slow_.front().second);
  }
  while (!tooSlow_.empty() && tooSlow_.front().first + options_.limits.tooSlowAfter() <= now) {
    endSlow(*tooSlow_.front().second);
  }
  while (!links_.empty() && links_.front().lastHeard + options_.limits.keepAlive <= now) {
    Link& link = links_.front();
    if (link.session && link.session->isTooFarAhead()) {
      heard(links_.begin(), now);  // It may have said that it is there.
      continue;
    }
    const std::string why =
        "nothing was heard for " + std::to_string(options_.limits.keepAlive.count()) + " ms";
    if (link.session &&
        (options_.limits.grace.count() == 0 || !link.session->stream().keepsAll())) {
      end(*link.session, why);  // Also tells it, should it still be there.
    } else {
      lose(link, why);
    }
  }
  while (!lost_.empty() && lost_.front().first + options_.limits.grace <= now) {
    const std::shared_ptr<ServerSession> session = sessions_.at(lost_.front().second);
    end(*session, "its client did not come back in time");
  }
}

// --- The server's life ---------------------------------------------------------------------------

void ServerSessions::setLimits(const ServerLimits& limits,
                               std::chrono::milliseconds serverTimeout) {
  options_.limits = limits;
  for (const auto& [number, session] : sessions_) {
    session->stream().setKeepBytes(limits.grace.count() > 0 ? limits.slowReaderLimit : 0);
    session->sendDeferred();
  }
  if (options_.serverTimeout == serverTimeout) return;
  options_.serverTimeout = serverTimeout;
  broadcast(wire::Notice{"ServerTimeout is now " + std::to_string(serverTimeout.count()) + " ms",
                         serverTimeout});
}

void ServerSessions::drain() {
  draining_ = true;
  broadcast(wire::Notice{"the server is shutting down; finish and sign off", {}});
}

bool ServerSessions::isQuiet() const {
  const LockStatistics locks = database_.lockStatistics(Lifetime::Persistent);
  return locks.locksHeld == 0 && locks.requestsWaiting == 0;
}

void ServerSessions::endAll(const std::string& why) {
  while (!sessions_.empty()) {
    const std::shared_ptr<ServerSession> session = sessions_.begin()->second;
    end(*session, why);
  }
  while (!links_.empty()) lose(links_.front(), why);
}

void ServerSessions::committed(const ChangeSet& changes) {
  if (!options_.coherent) return;
  // Only what is told of it: the records themselves may be large.
  ChangeSet told;
  told.id = changes.id;
  for (const ObjectChange& change : changes.changes) {
    if (change.kind == ChangeKind::Create) continue;
    const ObjectRecord known{change.record->oid, change.basedOn, {}, {}};
    told.changes.emplace_back(change.kind, known);
  }
  {
    MutexLock hold(committedMutex_);
    committedUntold_.push_back(std::move(told));
    hasCommitted_.store(true, std::memory_order_release);
  }
  hooks_.run([this] { tellCommitted(); });
}

void ServerSessions::lapsed(const LockAnswer& answer) {
  {
    MutexLock hold(committedMutex_);
    lapsedUntold_.push_back(answer);
    hasCommitted_.store(true, std::memory_order_release);
  }
  hooks_.run([this] { tellCommitted(); });
}

bool ServerSessions::tellAllCommitted() {
  std::vector<ChangeSet> untold;
  std::vector<LockAnswer> lapses;
  {
    MutexLock hold(committedMutex_);
    untold.swap(committedUntold_);
    lapses.swap(lapsedUntold_);
    hasCommitted_.store(false, std::memory_order_relaxed);
  }
  for (const LockAnswer& lapsed : lapses) {
    if (ServerSession* const owner = ownerOf(lapsed.request.locker)) owner->tellLapsed(lapsed);
  }
  for (ChangeSet& changes : untold) sendInvalidations(std::move(changes));
  return !untold.empty();
}

void ServerSessions::sendInvalidations(ChangeSet changes) {
  ++committed_;
  ServerSession* const committer = ownerOf({changes.id.process});
  const std::uint64_t except = committer == nullptr ? 0 : committer->number();
  std::map<std::uint64_t, std::vector<wire::Stale>> stale;
  for (const ObjectChange& change : changes.changes) {
    const wire::Stale one = ServerSession::staleBy(change);
    for (const std::uint64_t number : interest_.takeAllBut(except, one.oid))
      stale[number].push_back(one);
  }
  for (auto& [number, objects] : stale) {
    const auto session = sessions_.find(number);
    if (session != sessions_.end()) session->second->tellStale(objects);
  }
  if (committer != nullptr) committer->committed(std::move(changes));
}

void ServerSessions::classDefined(const std::shared_ptr<const ClassDef>& made) {
  hooks_.run([this, made] {
    std::shared_ptr<const ClassDef>& told = classesTold_[made->number];
    if (told == made) return;  // Each client defines its classes when it starts.
    told = made;
    broadcast(wire::ClassesChanged{{*made}});
  });
}

std::string ServerSessions::trouble() const {
  std::string all = hooks_.storeTrouble ? hooks_.storeTrouble() : std::string();
  const std::string audit = hooks_.auditTrouble ? hooks_.auditTrouble() : std::string();
  if (!all.empty() && !audit.empty()) all += "\n";
  return all + audit;
}

wire::Status ServerSessions::status() const {
  wire::Status status;
  status.version = options_.version;
  status.pid = static_cast<std::uint32_t>(::getpid());
  status.started = started_;
  status.sessions = static_cast<std::uint32_t>(sessions_.size());
  status.nodes = static_cast<std::uint32_t>(database_.nodes().size());
  status.processes = static_cast<std::uint32_t>(database_.processes().size());
  status.draining = draining_;
  status.committed = committed_;
  status.epoch = options_.epoch;
  status.lostSessions = lostSessions_;
  for (const Link& link : links_) status.bytesQueued += link.connection->bytesQueued();
  status.framesIn = framesIn_;
  status.framesOut = framesOut_;
  status.logLinesDropped = logLinesDropped();
  status.trouble = trouble();
  const LockStatistics locks = database_.lockStatistics(Lifetime::Persistent);
  status.locksHeld = locks.locksHeld;
  status.requestsWaiting = locks.requestsWaiting;
  return status;
}

}  // namespace nephrite
