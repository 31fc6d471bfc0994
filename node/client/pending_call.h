#pragma once

// Private to node.

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>

#include "node/wire/messages.h"

namespace nephrite {

/// What a request came to: the server's message, or why there is none.
using ClientAnswer = std::variant<wire::FromServer, RequestFailure>;

/// A message that came, and the number of our last message that the server had seen before it.
struct Arrived {
  std::uint64_t acknowledged = 0;
  /// Did a message come at all? It has seen the one that it answers.
  bool isFromServer() const { return acknowledged != 0; }
};

/// A request that is on its way: says what it asks, and hears what it came to.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  /// A server that speaks an older version cannot understand it, and is not asked.
  virtual std::uint16_t leastVersion() const { return 1; }
  /// Its message has so many bytes at least. What is too large is not even packed.
  virtual std::size_t leastBytes() const { return 0; }
  /// Its bytes, until this thread encodes the next message. `shortly`: as a short message, if it is
  /// one of these.
  virtual std::string_view message(wire::RequestId id, bool shortly, Instant now) = 0;
  /// It leaves, as the message of this number: from now on the server may act on it. Not called
  /// for a request that fails here. May use only leaves.
  virtual void sent(std::uint64_t /*number*/) {}
  virtual void onReply(ClientAnswer answer, const Arrived& arrived) = 0;
  /// Does it care for an answer that comes when it has been told that there was none?
  virtual bool wantsLateReply() const { return false; }
  virtual void onLateReply(ClientAnswer, const Arrived&) {}
  /// Does it ask for this lock? Then the lock stays when another request gives up.
  virtual bool asksFor(LockerId, Oid) const { return false; }
};

/// A request that is said with functions.
class PendingFunctions final : public PendingCall {
 public:
  using Answer = std::function<void(ClientAnswer, const Arrived&)>;
  struct Functions {
    std::function<wire::FromClient(wire::RequestId)> message;
    Answer answer;
    Answer late;  ///< May be empty.
  };
  explicit PendingFunctions(Functions functions) : functions_(std::move(functions)) {}

  std::uint16_t leastVersion() const override { return wire::versionOf(functions_.message(0)); }
  std::string_view message(wire::RequestId id, bool, Instant now) override {
    return wire::encodeInPlace(functions_.message(id), now);
  }
  void onReply(ClientAnswer answer, const Arrived& arrived) override {
    functions_.answer(std::move(answer), arrived);
  }
  bool wantsLateReply() const override { return functions_.late != nullptr; }
  void onLateReply(ClientAnswer answer, const Arrived& arrived) override {
    functions_.late(std::move(answer), arrived);
  }

 private:
  const Functions functions_;
};

}  // namespace nephrite
