#pragma once

// Private to node.

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "node/client/answer_parts.h"
#include "node/client/carrier.h"
#include "node/client/pending_call.h"
#include "node/wire/messages.h"

namespace nephrite {

/// A client node's session with its server: connects, greets, goes on after a lost connection when
/// the server lets it, else begins anew; matches answers to requests, and gives up on those that
/// take too long.
///
/// Shape:   at any time one session or none. A session is lost when the server says so, when it
///          cannot be gone on with, or when nothing was heard for the keep-alive time: then all its
///          requests are answered with a failure, and a new one is begun with pauses of random
///          length in between.
/// Answers: each request is answered once: by the server's message, or by a failure at its deadline
///          at the latest. A message that comes after that goes to the request's `late`.
/// Threads: any method, from any thread; answers and events where the carrier tells, one after the
///          other, or on the caller's when the answer is known at once; no mutex is held then.
///          Mutex order: this one's before the carrier's.
class ClientSession final : private CarrierListener {
 public:
  struct Options {
    std::chrono::milliseconds keepAlive{15'000};  ///< The server's own counts when it is shorter.
    std::chrono::milliseconds connectTimeout{10'000};  ///< For requests without a session.
    std::chrono::milliseconds firstPause{100};
    std::chrono::milliseconds longestPause{10'000};
    std::size_t keepBytes = 8u << 20;  ///< Of what is not acknowledged, to go on with.
    NodeOrigin origin;                 ///< Host, program and pid.
    std::uint64_t seed = 0;            ///< Of the pauses' lengths.
    /// What silence, deadlines and pauses are measured by; null: the clock that dates are told by.
    const Clock* timeouts = nullptr;
  };
  struct Events {
    std::function<void(const wire::Welcome&)> began;  ///< A new session; nothing of it came before.
    /// Before its requests are answered, with the same.
    std::function<void(const RequestFailure& why)> lost;
    std::function<void(wire::FromServer&, const Arrived&)> pushed;  ///< What was not asked for.
  };

  ClientSession(Carrier& carrier, const Clock& clock, Options options, Events events);
  ~ClientSession() override;
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  struct Terms {
    std::chrono::milliseconds bound{11'000};  ///< Answered by then, whatever happens.
    bool waitsForSession = false;             ///< Else it fails at once when there is none.
    std::uint64_t owner = 0;                  ///< For giveUp().
  };
  void ask(std::shared_ptr<PendingCall> call, const Terms& terms) NEPHRITE_EXCLUDES(mutex_);

  /// The same, said with functions.
  struct Request : Terms, PendingFunctions::Functions {};
  void ask(Request request) NEPHRITE_EXCLUDES(mutex_);
  /// Answers all requests of `owner` with `failure`, before it returns. What the server still says
  /// to them is not listened to.
  void giveUp(std::uint64_t owner, const RequestFailure& failure) NEPHRITE_EXCLUDES(mutex_);
  /// What is not answered. Dropped when there is no session, or the server speaks a version in
  /// which it cannot be said. `numbered` is told its number, 0 when dropped, before anything is
  /// heard that the server says after it; it may use only leaves.
  using Numbered = FunctionRef<void(std::uint64_t number)>;
  void tell(const wire::FromClient& message) NEPHRITE_EXCLUDES(mutex_);
  void tell(const wire::FromClient& message, Numbered numbered) NEPHRITE_EXCLUDES(mutex_);
  void tell(const wire::Unlock& message, Numbered numbered) NEPHRITE_EXCLUDES(mutex_);
  /// The same, unless a request is under way that asksFor() that lock: then false.
  bool tellUnlessAsked(const wire::Unlock& message, Numbered numbered) NEPHRITE_EXCLUDES(mutex_);

  /// Is there a session that the server still believes in?
  bool isUp() const NEPHRITE_EXCLUDES(mutex_);
  /// Does the server certainly still keep what it has granted, and tell what has changed? Not while
  /// a lost connection waits to be gone on with, nor before `began` has been told of a session.
  bool isSure() const {
    return timeouts_.now().sinceStart.count() < sureUntil_.load(std::memory_order_acquire);
  }
  std::optional<wire::Welcome> welcome() const NEPHRITE_EXCLUDES(mutex_);
  /// How long a server-defined wait lasts at the server, as far as is known.
  std::chrono::milliseconds serverTimeout() const {
    return std::chrono::milliseconds(serverTimeout_.load(std::memory_order_relaxed));
  }
  /// Why there is no session: for messages.
  RequestFailure whyDown() const NEPHRITE_EXCLUDES(mutex_);

  /// Says goodbye and is over: what is still asked for fails.
  void close() NEPHRITE_EXCLUDES(mutex_);

 private:
  enum class State {
    Pausing,     // Until pauseUntil_.
    Connecting,  // The carrier tries.
    Greeting,    // Hello is out.
    Up,
    Closed,
  };
  struct Pending {
    std::shared_ptr<PendingCall> call;
    Instant deadline{};
    std::uint64_t owner = 0;
    bool attended = false;   // Its asker waits at Carrier::answers().
    bool abandoned = false;  // It was told that there is no answer.
  };
  struct Waiting {
    Instant until{};
    std::shared_ptr<PendingCall> call;
    Terms terms;
    bool attended = false;
  };
  /// What is to be done when the mutex is free: calls, then the answer to a request.
  struct Deferred {
    std::vector<std::function<void()>> calls;
    std::shared_ptr<PendingCall> call;
    bool late = false;
    ClientAnswer came;
    Arrived arrived;

    void fails(std::shared_ptr<PendingCall> which, RequestFailure failure);
  };

  void connected() override NEPHRITE_EXCLUDES(mutex_);
  void received(const wire::FrameView& frame) override NEPHRITE_EXCLUDES(mutex_);
  void disconnected(const std::string& why) override NEPHRITE_EXCLUDES(mutex_);
  void tick() override NEPHRITE_EXCLUDES(mutex_);

  void ask(Waiting& wish, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  void sendRequest(Waiting& wish, Instant now, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  void tellUnlock(const wire::Unlock& message, Numbered numbered) NEPHRITE_REQUIRES(mutex_);
  void tellEncoded(std::string_view message, Instant now, Numbered numbered)
      NEPHRITE_REQUIRES(mutex_);
  void greeted(const wire::Welcome& welcome, const wire::FrameHeader& header, Deferred& deferred)
      NEPHRITE_REQUIRES(mutex_);
  void refused(const wire::Refusal& refusal, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  /// What came is `deferred.came`.
  void dispatch(const wire::FrameHeader& header, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  void connectionOver(const std::string& why, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  void sessionOver(const std::string& why, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  bool isSilent(Instant now) const NEPHRITE_REQUIRES(mutex_);
  /// Whenever what isSure() stands on may have changed.
  void keepSure() NEPHRITE_REQUIRES(mutex_);
  void noteSent(Instant now) NEPHRITE_REQUIRES(mutex_);
  void noteProof(const wire::FromServer& message, const wire::FrameHeader& header)
      NEPHRITE_REQUIRES(mutex_);
  void expireRequests(Instant now, Deferred& deferred) NEPHRITE_REQUIRES(mutex_);
  void addDeadline(Instant deadline, wire::RequestId id) NEPHRITE_REQUIRES(mutex_);
  /// The earliest deadline that still counts.
  std::optional<Instant> nextDeadline() NEPHRITE_REQUIRES(mutex_);
  using PendingRequests = boost::unordered_flat_map<wire::RequestId, Pending>;
  void setUnattended(std::size_t requests) NEPHRITE_REQUIRES(mutex_);
  Pending take(PendingRequests::iterator at) NEPHRITE_REQUIRES(mutex_);
  Instant nextPing() const NEPHRITE_REQUIRES(mutex_);
  void pause() NEPHRITE_REQUIRES(mutex_);
  void setTimer() NEPHRITE_REQUIRES(mutex_);
  std::chrono::milliseconds keepAlive() const NEPHRITE_REQUIRES(mutex_);
  RequestFailure downNow() const NEPHRITE_REQUIRES(mutex_);
  void wakeAt(Instant at) NEPHRITE_REQUIRES(mutex_);
  static void run(Deferred& deferred);

  Carrier& carrier_;
  const Clock& clock_;     // Ages in messages.
  const Clock& timeouts_;  // Everything else.
  const Options options_;
  const Events events_;

  mutable Mutex mutex_;
  State state_ NEPHRITE_GUARDED_BY(mutex_) = State::Pausing;
  std::optional<wire::Welcome> welcome_ NEPHRITE_GUARDED_BY(mutex_);  // Of the present session.
  bool hadSession_ NEPHRITE_GUARDED_BY(mutex_) = false;               // This one, or one before it.
  std::atomic<std::int64_t> serverTimeout_{10'000};                   // Milliseconds.
  std::optional<wire::SessionKey> lostKey_ NEPHRITE_GUARDED_BY(mutex_);
  wire::SessionStream stream_ NEPHRITE_GUARDED_BY(mutex_);
  std::string whyDown_ NEPHRITE_GUARDED_BY(mutex_) = "it was not tried yet";
  ErrorCode downCode_ NEPHRITE_GUARDED_BY(mutex_) = ErrorCode::ConnectionLost;
  // When we sent the latest of what the server is known to have heard. It keeps the session for the
  // keep-alive time at least from then on; when we hear it does not matter.
  Instant provenAt_ NEPHRITE_GUARDED_BY(mutex_){};
  bool hasBegun_ NEPHRITE_GUARDED_BY(mutex_) = false;  // The session, as far as `began` was told.
  std::atomic<std::int64_t> sureUntil_{0};             // Since the clock's start; nanoseconds.
  // What is on its way to become a proof: a message, a ping.
  struct Sample {
    std::uint64_t number = 0;
    Instant sentAt{};
  };
  std::optional<Sample> sample_ NEPHRITE_GUARDED_BY(mutex_);
  std::deque<Instant> pingsSent_ NEPHRITE_GUARDED_BY(mutex_);  // And not answered, oldest first.
  Instant lastPing_ NEPHRITE_GUARDED_BY(mutex_){};
  Instant pauseUntil_ NEPHRITE_GUARDED_BY(mutex_){};
  Instant resumeUntil_ NEPHRITE_GUARDED_BY(mutex_){};
  unsigned attempts_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  std::mt19937_64 random_ NEPHRITE_GUARDED_BY(mutex_);
  wire::RequestId lastRequest_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  PendingRequests pending_ NEPHRITE_GUARDED_BY(mutex_);
  AnswerParts parts_ NEPHRITE_GUARDED_BY(mutex_);           // Of answers that are not whole yet.
  std::size_t unattended_ NEPHRITE_GUARDED_BY(mutex_) = 0;  // Of these.
  // A heap, the earliest first. Of requests that are answered, too, until they come up or are many.
  std::vector<std::pair<Instant, wire::RequestId>> deadlines_ NEPHRITE_GUARDED_BY(mutex_);
  std::optional<Instant> wakeAt_ NEPHRITE_GUARDED_BY(mutex_);  // As the carrier was told.
  // Asked without a session, in order; each until its own deadline.
  std::vector<Waiting> waiting_ NEPHRITE_GUARDED_BY(mutex_);
};

/// The id of the request that `message` answers; empty for what was not asked for.
std::optional<wire::RequestId> answeredBy(const wire::FromServer& message);

}  // namespace nephrite
