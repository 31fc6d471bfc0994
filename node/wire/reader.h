#pragma once

// Private to node/wire: the pieces of messages of both directions, from bytes that may be anything.
//
// unpack() reads a table or struct of wire.fbs as the value that it stands for.

#include <flatbuffers/flatbuffers.h>

#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"

namespace nephrite::wire {

/// What decoding one message has copied so far, and the moment at which that is done.
///
/// In FlatBuffers many places may name the same text or table, so that a few bytes can say a lot.
/// Honest senders write everything once; at what only the others reach, charge() throws.
class Reader {
 public:
  Reader(std::size_t messageLength, Instant now)
      : left_(kTimesItsLength * messageLength + kInAnyCase), now_(now) {}

  void charge(std::size_t bytes);

  /// Text that must be UTF-8, as names and Strings are. `what` says what it is, for the error.
  std::string text(const flatbuffers::String* text, const char* what);
  /// Text for people: they had rather read it with a few question marks than not at all.
  std::string prose(const flatbuffers::String* text);
  /// Now, when `age` is negative; long ago, when it is absurd.
  Instant instant(std::int64_t age) const;

 private:
  // An empty reply of a lockAll() takes twenty times as much memory as bytes in its message.
  static constexpr std::size_t kTimesItsLength = 24;
  static constexpr std::size_t kInAnyCase = std::size_t{64} * 1024;

  std::size_t left_;
  const Instant now_;
};

/// `bytes`, or a copy in `keep`, should they not stand where eight-byte numbers may.
std::span<const std::uint8_t> aligned(std::span<const std::uint8_t> bytes,
                                      std::vector<std::uint64_t>& keep);

/// Is it a short message? One that is damaged is, too.
std::optional<fb::ShortKind> shortKindOf(std::span<const std::uint8_t> bytes);
FromClient unpackShortFromClient(fb::ShortKind kind, std::span<const std::uint8_t> bytes);
FromServer unpackShortFromServer(fb::ShortKind kind, std::span<const std::uint8_t> bytes,
                                 Instant now);

/// The root of a message in which every offset leads to something whole within it.
template <class Root>
const Root& verifiedRoot(std::span<const std::uint8_t> bytes) {
  constexpr flatbuffers::uoffset_t kDepth = 8;  // The key of a member in a Commit is at 6.
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE) throw WireError("the message is too long");
  // A table and the offset that names it take eight bytes at least.
  const auto most = static_cast<flatbuffers::uoffset_t>(bytes.size() / 8 + 1);
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), kDepth, most);
  if (!verifier.VerifyBuffer<Root>()) throw WireError("the message is damaged");
  return *flatbuffers::GetRoot<Root>(bytes.data());
}

template <class Part>
const Part& need(const Part* part, const char* what) {
  if (part == nullptr) throw WireError(std::string("there is no ") + what);
  return *part;
}

template <class Ours, class Theirs>
Ours inRange(Theirs number, const char* what) {
  if (number > Theirs::MAX) {
    throw WireError("there is no " + std::string(what) + " " +
                    std::to_string(static_cast<unsigned>(number)));
  }
  return static_cast<Ours>(number);
}

LockTimeout timeoutOf(std::int32_t number);
/// Its length may be anything: the receiver judges that.
LeaseTerms leaseOf(std::int64_t milliseconds, fb::Renewal renewedBy);
/// `number` is not negative.
std::chrono::milliseconds waitOf(std::int32_t number, const char* what);
std::optional<std::chrono::milliseconds> optionalWaitOf(std::int32_t number, const char* what);
/// Zero, when negative.
Duration durationOf(std::int64_t nanoseconds);
WallTime wallTimeOf(std::int64_t microseconds);

Value unpack(Reader& in, const fb::Value& value);
CollectionMember unpack(Reader& in, const fb::Member& entry);
RecordPtr unpack(Reader& in, const fb::Record& record);
PropertyDef unpack(Reader& in, const fb::Property& property);
ClassDef unpack(Reader& in, const fb::ClassDef& definition);
ObjectChange unpack(Reader& in, const fb::Change& change);

ProcessInfo unpack(Reader& in, const fb::Process& process);
NodeInfo unpack(Reader& in, const fb::Node& node);
RequestFailure unpack(Reader& in, const fb::Failure& failure);
/// An error that we do not know, a newer server's, is a refusal whose text begins with its number.
RequestFailure failureFrom(std::int32_t code, std::string what, Oid object = {});

KnownRequest unpack(Reader& in, const fb::ObjectLockRequest& order);
WaitEdge unpack(Reader& in, const fb::Edge& edge);
LockAnswer unpack(Reader& in, const fb::Answer& answer);
LockCursor unpack(Reader& in, const fb::LockCursor& cursor);
LockReply unpack(Reader& in, const fb::LockReply& reply);
LockGrant unpack(Reader& in, const fb::LockGrant& grant);
LockInfo unpack(Reader& in, const fb::LockInfo& lock);
LockInfo unpack(Reader& in, const fb::Held& held);
void unpackReaches(const flatbuffers::Vector<const fb::LockReach*>* reaches,
                   std::vector<LockInfo>& locks);
ResourceName unpack(Reader& in, const fb::ResourceName& name);
LockStatistics unpack(Reader& in, const fb::Statistics& statistics);
LockContentionInfo unpack(Reader& in, const fb::Contention& contention);
DeadlockHold unpack(Reader& in, const fb::HeldThen& hold);
DeadlockWait unpack(Reader& in, const fb::WaitThen& wait);
DeadlockRecord unpack(Reader& in, const fb::DeadlockRecord& record);
Stale unpack(Reader& in, const fb::Stale& stale);

/// The verifier of FlatBuffers 2.0 looks where a list begins, and not where its first item stands.
template <class Item>
void needAligned(const std::uint8_t* items) {
  if (reinterpret_cast<std::uintptr_t>(items) % alignof(Item) == 0) return;
  throw WireError("the message is damaged: a list is not aligned");
}

template <class Item, class Items = std::vector<Item>>
Items unpackAll(Reader& in, const auto* list) {
  Items items;
  if (list == nullptr) return items;
  using Part = std::remove_cvref_t<decltype(*list->Get(0))>;
  if constexpr (!std::is_base_of_v<flatbuffers::Table, Part>) needAligned<Part>(list->Data());
  in.charge(std::size_t{list->size()} * sizeof(Item));
  items.reserve(list->size());
  for (const auto* item : *list) items.push_back(unpack(in, *item));
  return items;
}

template <class Part>
auto unpackSome(Reader& in, const Part* part) {
  using Value = decltype(unpack(in, *part));
  return part == nullptr ? std::optional<Value>() : std::optional<Value>(unpack(in, *part));
}

/// `itemOf(number)` is what the number stands for.
template <class Item, class ItemOf>
std::vector<Item> unpackNumbers(Reader& in, const flatbuffers::Vector<std::uint64_t>* list,
                                ItemOf itemOf) {
  std::vector<Item> items;
  if (list == nullptr) return items;
  needAligned<std::uint64_t>(list->Data());
  in.charge(std::size_t{list->size()} * sizeof(Item));
  items.reserve(list->size());
  for (const std::uint64_t number : *list) items.push_back(itemOf(number));
  return items;
}

}  // namespace nephrite::wire
