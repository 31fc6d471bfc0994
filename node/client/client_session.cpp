#include "node/client/client_session.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

// How long an abandoned request is remembered, so that a late grant can be given back.
constexpr milliseconds kRememberedFor{3'600'000};

// What a call's callbacks keep may come back to the session when it goes (the last user of a
// resource does): the call ends when the mutex is free.
void endLater(std::vector<std::function<void()>>& calls, std::shared_ptr<PendingCall> which) {
  calls.emplace_back([which = std::move(which)] {});
}

}  // namespace

std::optional<wire::RequestId> answeredBy(const wire::FromServer& message) {
  return std::visit(
      [](const auto& content) -> std::optional<wire::RequestId> {
        if constexpr (requires { content.id; }) {
          return content.id;
        } else {
          return std::nullopt;
        }
      },
      message);
}

ClientSession::ClientSession(Carrier& carrier, const Clock& clock, Options options, Events events)
    : carrier_(carrier),
      clock_(clock),
      timeouts_(options.timeouts != nullptr ? *options.timeouts : clock),
      options_(std::move(options)),
      events_(std::move(events)),
      stream_(options_.keepBytes),
      random_(options_.seed) {
  carrier_.start(*this);
  MutexLock hold(mutex_);
  state_ = State::Connecting;
  carrier_.connect();
}

ClientSession::~ClientSession() {
  close();
  carrier_.stop();
}

void ClientSession::Deferred::fails(std::shared_ptr<PendingCall> which, RequestFailure failure) {
  calls.push_back(
      [which = std::move(which), failure = std::move(failure)] { which->onReply(failure, {}); });
}

void ClientSession::run(Deferred& deferred) {
  for (const auto& call : deferred.calls) call();
  if (deferred.call == nullptr) return;
  if (deferred.late) {
    deferred.call->onLateReply(std::move(deferred.came), deferred.arrived);
  } else {
    deferred.call->onReply(std::move(deferred.came), deferred.arrived);
  }
}

// --- Asking --------------------------------------------------------------------------------------

void ClientSession::ask(Request request) {
  const Terms terms = request;
  ask(std::make_shared<PendingFunctions>(std::move(request)), terms);
}

void ClientSession::ask(std::shared_ptr<PendingCall> call, const Terms& terms) {
  Waiting wish{{}, std::move(call), terms, carrier_.callerAsks()};
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    ask(wish, deferred);
  }
  run(deferred);
}

void ClientSession::ask(Waiting& wish, Deferred& deferred) {
  const Instant now = timeouts_.now();
  if (isSilent(now)) {
    wakeAt(now);  // The session ends on the carrier's thread, in its turn.
    whyDown_ = "nothing was heard from it for " + std::to_string(keepAlive().count()) + " ms";
    return deferred.fails(std::move(wish.call), downNow());
  }
  wish.until = now + wish.terms.bound;
  if (welcome_) {
    sendRequest(wish, now, deferred);
  } else if (wish.terms.waitsForSession && state_ != State::Closed) {
    wish.until = std::min(wish.until, now + options_.connectTimeout);
    waiting_.push_back(std::move(wish));
  } else {
    return deferred.fails(std::move(wish.call), downNow());
  }
  if (!wakeAt_ || wish.until < *wakeAt_) setTimer();
}

void ClientSession::sendRequest(Waiting& wish, Instant now, Deferred& deferred) {
  const wire::RequestId id = ++lastRequest_;
  const auto tooLarge = [&](std::size_t bytes) NEPHRITE_REQUIRES(mutex_) {
    if (bytes <= welcome_->maxFrame) return false;
    deferred.fails(std::move(wish.call),
                   {ErrorCode::ServerRefused,
                    "the request has " + std::to_string(bytes) +
                        " bytes or more, the server takes " + std::to_string(welcome_->maxFrame) +
                        " ([NephriteServer] MaxFrameSize); ask for less at a time, or make the "
                        "transaction smaller"});
    return true;
  };
  const bool isOlder = welcome_->version < wire::kVersion;
  if (isOlder && welcome_->version < wish.call->leastVersion()) {
    const bool ofScope = wish.call->leastVersion() == wire::kScopeVersion;
    return deferred.fails(
        std::move(wish.call),
        {ofScope ? ErrorCode::NotLockable : ErrorCode::ServerRefused,
         "server node " + carrier_.server() + " speaks version " +
             std::to_string(welcome_->version) + " of the protocol, in which " +
             (ofScope
                  ? "a lock is never on all that is below an object; install a newer server, or "
                    "lock the object alone"
                  : "there are no families, leases or resources; install a newer server, or do "
                    "without them")});
  }
  if (tooLarge(wish.call->leastBytes())) return;
  std::string_view message;
  try {
    message = wish.call->message(id, welcome_->takesShort, now);
  } catch (const std::exception& wrong) {
    return deferred.fails(
        std::move(wish.call),
        {ErrorCode::WrongValueType, std::string("the request cannot be sent: ") + wrong.what()});
  }
  if (tooLarge(message.size())) return;
  tellEncoded(message, now, [&](std::uint64_t number) { wish.call->sent(number); });
  pending_.try_emplace(
      id, Pending{std::move(wish.call), wish.until, wish.terms.owner, wish.attended, false});
  if (!wish.attended) setUnattended(unattended_ + 1);
  addDeadline(wish.until, id);
}

void ClientSession::giveUp(std::uint64_t owner, const RequestFailure& failure) {
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    std::vector<wire::RequestId> inOrder;
    for (const auto& [id, pending] : pending_) {
      if (pending.owner == owner) inOrder.push_back(id);
    }
    std::sort(inOrder.begin(), inOrder.end());
    for (const wire::RequestId id : inOrder) {
      Pending given = take(pending_.find(id));
      if (given.abandoned) {
        endLater(deferred.calls, std::move(given.call));
      } else {
        deferred.fails(std::move(given.call), failure);
      }
    }
  }
  run(deferred);
}

ClientSession::Pending ClientSession::take(PendingRequests::iterator at) {
  Pending taken = std::move(at->second);
  if (!taken.attended) setUnattended(unattended_ - 1);
  pending_.erase(at);
  return taken;
}

// An answer that no thread waits for is read by the carrier's thread.
void ClientSession::setUnattended(std::size_t requests) {
  unattended_ = requests;
  carrier_.setUnattended(requests);
}

void ClientSession::tell(const wire::FromClient& message) {
  tell(message, [](std::uint64_t) {});
}

void ClientSession::tell(const wire::FromClient& message, Numbered numbered) {
  MutexLock hold(mutex_);
  if (!welcome_ || welcome_->version < wire::versionOf(message)) return numbered(0);
  const Instant now = timeouts_.now();
  tellEncoded(wire::encodeInPlace(message, now), now, numbered);
}

void ClientSession::tell(const wire::Unlock& message, Numbered numbered) {
  MutexLock hold(mutex_);
  if (!welcome_) return numbered(0);
  tellUnlock(message, numbered);
}

bool ClientSession::tellUnlessAsked(const wire::Unlock& message, Numbered numbered) {
  MutexLock hold(mutex_);
  for (const auto& [id, pending] : pending_) {
    if (!pending.abandoned && pending.call->asksFor(message.locker, message.target)) return false;
  }
  if (welcome_) {
    tellUnlock(message, numbered);
  } else {
    numbered(0);
  }
  return true;
}

void ClientSession::tellUnlock(const wire::Unlock& message, Numbered numbered) {
  const Instant now = timeouts_.now();
  tellEncoded(welcome_->takesShort ? wire::encodeShort(message)
                                   : wire::encodeInPlace(wire::FromClient(message), now),
              now, numbered);
}

// Without a connection it goes with the next one.
void ClientSession::tellEncoded(std::string_view message, Instant now, Numbered numbered) {
  const wire::FrameHeader header = stream_.number(message);
  noteSent(now);
  numbered(header.sequence);
  if (state_ == State::Up) carrier_.sendFramed(header, message);
}

bool ClientSession::isUp() const {
  MutexLock hold(mutex_);
  return welcome_ && !isSilent(timeouts_.now());
}

void ClientSession::keepSure() {
  const bool may = state_ == State::Up && hasBegun_;
  const Instant until = may ? provenAt_ + keepAlive() : Instant{};
  sureUntil_.store(until.sinceStart.count(), std::memory_order_release);
}

std::optional<wire::Welcome> ClientSession::welcome() const {
  MutexLock hold(mutex_);
  return welcome_;
}

RequestFailure ClientSession::whyDown() const {
  MutexLock hold(mutex_);
  return downNow();
}

RequestFailure ClientSession::downNow() const {
  const std::string server = "server node " + carrier_.server();
  if (downCode_ == ErrorCode::ServerRefused) return {downCode_, server + " refused: " + whyDown_};
  // A node that has never been connected has no locks that could be free.
  return {downCode_,
          server + ": no connection (" + whyDown_ +
              (hadSession_ ? "); locks are free and changes dropped: sign on again" : ")")};
}

// --- Connecting ----------------------------------------------------------------------------------

void ClientSession::connected() {
  MutexLock hold(mutex_);
  if (state_ != State::Connecting) return;
  state_ = State::Greeting;
  const Instant now = timeouts_.now();
  provenAt_ = now;  // Counts when the server has answered this Hello.
  sample_.reset();
  pingsSent_.clear();
  wire::Hello hello;
  hello.host = options_.origin.host;
  hello.program = options_.origin.program;
  hello.pid = options_.origin.pid;
  if (welcome_) {
    hello.session = welcome_->session;
    hello.epoch = welcome_->epoch;
  }
  hello.replaces = lostKey_;
  hello.takesGrants = true;
  hello.takesShort = true;
  hello.takesParts = true;
  carrier_.send(stream_.sendUnnumbered(wire::encode(wire::FromClient(hello), now)));
  setTimer();
}

void ClientSession::greeted(const wire::Welcome& welcome, const wire::FrameHeader& header,
                            Deferred& deferred) {
  if (state_ != State::Greeting) return;
  attempts_ = 0;
  if (welcome_ && welcome.resumed) {
    const auto missing = stream_.missingAfter(header.acknowledged);
    if (!missing) {
      sessionOver("more was lost with the connection than is kept", deferred);
      carrier_.disconnect();
      return pause();
    }
    state_ = State::Up;
    keepSure();
    log(LogLevel::Info, "session.resumed", {{"server", carrier_.server()}});
    for (const std::string& frame : *missing) carrier_.send(frame);
    return;
  }
  if (welcome.resumed) {
    // We have given that session up since our Hello: its messages are not ours. The next one
    // replaces it.
    carrier_.disconnect();
    return pause();
  }
  if (welcome_) sessionOver("the server has ended the session, or was started anew", deferred);
  state_ = State::Up;
  lostKey_.reset();
  welcome_ = welcome;
  hadSession_ = true;
  serverTimeout_ = welcome.serverTimeout.count();
  carrier_.takeFramesOf(std::max(welcome.maxFrame, wire::kLeastClientFrame));
  const bool keeps = welcome.grace.count() > 0;
  stream_ = wire::SessionStream(keeps ? options_.keepBytes : 0);
  if (events_.began) deferred.calls.push_back([this, welcome] { events_.began(welcome); });
  deferred.calls.push_back([this, key = welcome.session] {
    MutexLock hold(mutex_);
    hasBegun_ = welcome_ && welcome_->session == key;
    keepSure();
  });
  // They are sent when `began` is through, by the order of what is deferred.
  for (Waiting& wish : std::exchange(waiting_, {})) {
    deferred.calls.push_back([this, shared = std::make_shared<Waiting>(std::move(wish))] {
      Deferred then;
      {
        MutexLock hold(mutex_);
        ask(*shared, then);
      }
      run(then);
    });
  }
}

void ClientSession::refused(const wire::Refusal& refusal, Deferred& deferred) {
  if (refusal.sessionGone && welcome_ && state_ == State::Up) {
    carrier_.disconnect();
    sessionOver(refusal.failure.what, deferred);
    return pause();
  }
  // Not taken at all: nothing that is asked for now will be answered soon.
  carrier_.disconnect();
  if (welcome_) sessionOver(refusal.failure.what, deferred);
  whyDown_ = refusal.failure.what;
  downCode_ = refusal.failure.code;
  for (Waiting& wish : std::exchange(waiting_, {})) deferred.fails(std::move(wish.call), downNow());
  pause();
}

// --- What comes ----------------------------------------------------------------------------------

void ClientSession::received(const wire::FrameView& frame) {
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    const State before = state_;
    const Instant now = timeouts_.now();
    const wire::FromServer* message = nullptr;
    std::string wrong;
    try {
      message = &deferred.came.emplace<wire::FromServer>(
          wire::decodeFromServer(frame.message, &timeouts_ == &clock_ ? now : clock_.now()));
    } catch (const wire::WireError& error) {
      wrong = error.what();
    }
    if (message) noteProof(*message, frame.header);
    if (message && isSilent(now) && !std::holds_alternative<wire::Refusal>(*message)) {
      // It was under way, or we were stopped, for longer than the server waits for us.
      carrier_.disconnect();
      connectionOver("it was not heard of for " + std::to_string(keepAlive().count()) + " ms",
                     deferred);
    } else if (const auto arrival =
                   message ? stream_.received(frame.header) : wire::SessionStream::Arrival::Gap;
               arrival == wire::SessionStream::Arrival::Gap) {
      carrier_.disconnect();
      connectionOver("its messages make no sense (" + wrong + ")", deferred);
    } else if (arrival == wire::SessionStream::Arrival::New) {
      dispatch(frame.header, deferred);
    }
    // What came makes nothing due earlier than it was, but for another state.
    if (!wakeAt_ || state_ != before) setTimer();
  }
  run(deferred);
}

void ClientSession::dispatch(const wire::FrameHeader& header, Deferred& deferred) {
  wire::FromServer& message = std::get<wire::FromServer>(deferred.came);
  if (const auto* const welcome = std::get_if<wire::Welcome>(&message)) {
    return greeted(*welcome, header, deferred);
  }
  if (const auto* const refusal = std::get_if<wire::Refusal>(&message)) {
    return refused(*refusal, deferred);
  }
  if (std::holds_alternative<wire::Ping>(message)) return;
  if (const auto* const notice = std::get_if<wire::Notice>(&message)) {
    if (notice->serverTimeout) serverTimeout_ = notice->serverTimeout->count();
  }
  const auto id = answeredBy(message);
  if (!id) {
    auto shared = std::make_shared<wire::FromServer>(std::move(message));
    deferred.calls.push_back([this, shared, arrived = Arrived{header.acknowledged}] {
      events_.pushed(*shared, arrived);
    });
    return;
  }
  const auto it = pending_.find(*id);
  if (it == pending_.end()) return parts_.forget(*id);
  if (!parts_.isWhole(message)) return;
  if (auto* const failed = std::get_if<wire::FailureReply>(&message)) {
    RequestFailure failure = std::move(failed->failure);
    deferred.came = std::move(failure);
  }
  Pending pending = take(it);
  deferred.late = pending.abandoned;
  deferred.call = std::move(pending.call);
  deferred.arrived = {header.acknowledged};
}

// --- When things break ---------------------------------------------------------------------------

void ClientSession::disconnected(const std::string& why) {
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    if (state_ != State::Closed) connectionOver(why, deferred);
    setTimer();
  }
  run(deferred);
}

void ClientSession::connectionOver(const std::string& why, Deferred& deferred) {
  const bool wasUp = state_ == State::Up;
  if (wasUp) {
    log(LogLevel::Warning, "connection.lost", {{"server", carrier_.server()}, {"why", why}});
  }
  if (welcome_) {
    if (wasUp) resumeUntil_ = timeouts_.now() + welcome_->grace;
    // The server may have seen the end of it earlier than we; it has the last word.
    const bool mayResume =
        stream_.keepsAll() && welcome_->grace.count() > 0 && timeouts_.now() < resumeUntil_;
    if (!mayResume) sessionOver(why, deferred);
  } else {
    whyDown_ = why;
    downCode_ = ErrorCode::ConnectionLost;
  }
  pause();
}

// What was asked for is not answered any more; a commit may have happened.
void ClientSession::sessionOver(const std::string& why, Deferred& deferred) {
  lostKey_ = welcome_->session;
  welcome_.reset();
  hasBegun_ = false;
  keepSure();
  whyDown_ = why;
  downCode_ = ErrorCode::ConnectionLost;
  stream_ = wire::SessionStream(0);
  if (events_.lost)
    deferred.calls.push_back([this, failure = downNow()] { events_.lost(failure); });
  std::map<wire::RequestId, Pending> inOrder;
  for (auto& [id, pending] : pending_) inOrder.emplace(id, std::move(pending));
  pending_.clear();
  parts_.forgetAll();
  setUnattended(0);
  deadlines_.clear();
  for (auto& [id, pending] : inOrder) {
    if (pending.abandoned) {
      endLater(deferred.calls, std::move(pending.call));
    } else {
      deferred.fails(std::move(pending.call), downNow());
    }
  }
}

// After a pause of this program (SIGSTOP, a sleeping laptop) the server has given up on us,
// whatever the socket says.
bool ClientSession::isSilent(Instant now) const {
  if (state_ != State::Up && state_ != State::Greeting) return false;
  return now - provenAt_ >= keepAlive();
}

void ClientSession::noteSent(Instant now) {
  if (state_ == State::Up && !sample_) sample_ = Sample{stream_.lastSent(), now};
}

void ClientSession::noteProof(const wire::FromServer& message, const wire::FrameHeader& header) {
  if (state_ != State::Up) return;
  if (sample_ && header.acknowledged >= sample_->number) {
    provenAt_ = std::max(provenAt_, sample_->sentAt);
    sample_.reset();
  }
  if (!pingsSent_.empty() && std::holds_alternative<wire::Ping>(message)) {
    provenAt_ = std::max(provenAt_, pingsSent_.front());  // They are answered in order.
    pingsSent_.pop_front();
  }
  keepSure();
}

milliseconds ClientSession::keepAlive() const {
  return welcome_ ? std::min(options_.keepAlive, welcome_->keepAlive) : options_.keepAlive;
}

// Randomised, so that a thousand clients of a server that was down do not come back at once.
void ClientSession::pause() {
  if (state_ == State::Closed) return;
  const unsigned doublings = std::min(attempts_++, 20u);
  const auto longest = std::min<std::int64_t>(options_.longestPause.count(),
                                              options_.firstPause.count() << doublings);
  std::uniform_int_distribution<std::int64_t> between(longest / 2,
                                                      std::max<std::int64_t>(longest, 1));
  pauseUntil_ = timeouts_.now() + milliseconds(between(random_));
  state_ = State::Pausing;
  keepSure();
}

void ClientSession::tick() {
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    wakeAt_.reset();
    const Instant now = timeouts_.now();
    if (isSilent(now)) {
      carrier_.disconnect();
      connectionOver("nothing was heard from it for " + std::to_string(keepAlive().count()) + " ms",
                     deferred);
    }
    if (state_ == State::Up && now >= nextPing()) {
      lastPing_ = now;
      pingsSent_.push_back(now);
      carrier_.send(stream_.sendUnnumbered(wire::encode(wire::FromClient(wire::Ping{}), now)));
    }
    if (welcome_ && state_ != State::Up && now >= resumeUntil_) {
      sessionOver(whyDown_.empty() ? "it did not come back in time" : whyDown_, deferred);
    }
    if (state_ == State::Pausing && now >= pauseUntil_) {
      state_ = State::Connecting;
      carrier_.connect();
    }
    expireRequests(now, deferred);
    std::erase_if(waiting_, [&](Waiting& wish) NEPHRITE_REQUIRES(mutex_) {
      if (wish.until > now) return false;
      deferred.fails(std::move(wish.call), downNow());
      return true;
    });
    setTimer();
  }
  run(deferred);
}

void ClientSession::expireRequests(Instant now, Deferred& deferred) {
  for (auto due = nextDeadline(); due && *due <= now; due = nextDeadline()) {
    const wire::RequestId id = deadlines_.front().second;
    const auto at = pending_.find(id);
    Pending& pending = at->second;
    if (pending.abandoned) {
      endLater(deferred.calls, take(at).call);
      continue;
    }
    RequestFailure failure{ErrorCode::NoAnswer,
                           "server node " + carrier_.server() + " did not answer in time"};
    if (!pending.call->wantsLateReply()) {
      deferred.fails(take(at).call, std::move(failure));
      continue;
    }
    deferred.calls.push_back(
        [call = pending.call, failure = std::move(failure)] { call->onReply(failure, {}); });
    pending.abandoned = true;
    pending.deadline = now + kRememberedFor;
    addDeadline(pending.deadline, id);
  }
}

void ClientSession::close() {
  Deferred deferred;
  {
    MutexLock hold(mutex_);
    if (state_ == State::Closed) return;
    if (state_ == State::Up) {
      carrier_.send(stream_.send(wire::encode(wire::FromClient(wire::Goodbye{}), timeouts_.now())));
    }
    state_ = State::Closed;
    keepSure();
    if (welcome_) sessionOver("this client node has closed it", deferred);
    whyDown_ = "this client node is closed";
    for (Waiting& wish : std::exchange(waiting_, {}))
      deferred.fails(std::move(wish.call), downNow());
    carrier_.disconnect();
  }
  run(deferred);
}

}  // namespace nephrite
