#pragma once

// Private to node/wire: the pieces of messages of both directions, as bytes.
//
// pack() writes a value as its table or struct of wire.fbs. FlatBuffers wants what is beneath a
// table to be written before it.

#include <flatbuffers/flatbuffers.h>

#include <boost/container/small_vector.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"

namespace nephrite::wire {

template <class Table>
using At = flatbuffers::Offset<Table>;
template <class Item>
using ListAt = At<flatbuffers::Vector<Item>>;

/// One for each thread, used again for each message, so that a small one allocates nothing but its
/// bytes.
struct Writer {
  flatbuffers::FlatBufferBuilder builder;
  Instant now;  ///< What ages are relative to.
};

/// This thread's, empty.
Writer& writer(Instant now);
/// The bytes of the message that has `root`, until this thread writes the next one.
template <class Root>
std::string_view finish(Writer& w, At<Root> root) {
  w.builder.Finish(root);
  return {reinterpret_cast<const char*>(w.builder.GetBufferPointer()), w.builder.GetSize()};
}

/// Empty text, and below an empty list, is not sent.
At<flatbuffers::String> packText(Writer& w, std::string_view text);
/// The same of what must be UTF-8, since the other side ends the connection when it is not.
/// `what` says whose it is, for the WireError.
At<flatbuffers::String> packName(Writer& w, std::string_view name, std::string_view what);
std::int64_t ageOf(Instant at, Instant now);
std::int64_t microsecondsOf(WallTime at);
/// JADE's number of a wait in which the process default is filled in.
std::int32_t numberOf(LockTimeout timeout);
std::int32_t millisecondsOf(std::chrono::milliseconds wait);
/// -1: empty.
std::int32_t millisecondsOf(std::optional<std::chrono::milliseconds> wait);

/// Ours and the schema's enums have the same numbers.
template <class Theirs, class Ours>
Theirs as(Ours ours) {
  return static_cast<Theirs>(ours);
}

At<fb::Value> pack(Writer& w, const Value& value);
At<fb::Member> pack(Writer& w, const CollectionMember& entry);
At<fb::Record> pack(Writer& w, const ObjectRecord& record);
At<fb::Property> pack(Writer& w, const PropertyDef& property);
At<fb::ClassDef> pack(Writer& w, const ClassDef& definition);
At<fb::Change> pack(Writer& w, const ObjectChange& change);

At<fb::Process> pack(Writer& w, const ProcessInfo& process);
At<fb::Node> pack(Writer& w, const NodeInfo& node);
At<fb::Failure> pack(Writer& w, const RequestFailure& failure);

fb::ObjectLockRequest pack(Writer& w, const KnownRequest& order);
fb::Edge pack(Writer& w, const WaitEdge& edge);
At<fb::Answer> pack(Writer& w, const LockAnswer& answer);
fb::LockCursor pack(Writer& w, const LockCursor& cursor);
At<fb::LockReply> pack(Writer& w, const LockReply& reply);
fb::LockGrant pack(Writer& w, const LockGrant& grant);
fb::LockInfo pack(Writer& w, const LockInfo& lock);
fb::Held packHeld(Writer& w, const LockInfo& held);
/// Of those that have scope Subtree, or are marks.
ListAt<const fb::LockReach*> packReaches(Writer& w, const std::vector<LockInfo>& locks);
At<fb::ResourceName> pack(Writer& w, const ResourceName& name);
At<fb::Statistics> pack(Writer& w, const LockStatistics& statistics);
fb::Contention pack(Writer& w, const LockContentionInfo& contention);
fb::HeldThen pack(Writer& w, const DeadlockHold& hold);
fb::WaitThen pack(Writer& w, const DeadlockWait& wait);
At<fb::DeadlockRecord> pack(Writer& w, const DeadlockRecord& record);
fb::Stale pack(Writer& w, const Stale& stale);

template <class Table, class Items>
auto packTables(Writer& w, const Items& items) {
  boost::container::small_vector<Table, 8> packed;
  packed.reserve(items.size());
  for (const auto& item : items) packed.push_back(pack(w, item));
  return w.builder.CreateVector(packed.data(), packed.size());
}
// Written where they are sent from: there may be thousands.
template <class Struct, class Items>
ListAt<const Struct*> packStructs(Writer& w, const Items& items) {
  auto item = items.begin();
  const auto packNext = [&item](std::size_t, Struct* at, Writer* to) { *at = pack(*to, *item++); };
  return w.builder.CreateVectorOfStructs<Struct>(items.size(), packNext, &w);
}

template <class Items>
auto packAll(Writer& w, const Items& items) {
  using Packed = decltype(pack(w, *items.begin()));
  if constexpr (requires(Packed packed) { packed.Union(); }) {
    return items.empty() ? ListAt<Packed>() : packTables<Packed>(w, items);
  } else {
    return items.empty() ? ListAt<const Packed*>() : packStructs<Packed>(w, items);
  }
}

template <class Value>
auto packSome(Writer& w, const std::optional<Value>& value) {
  return value ? pack(w, *value) : decltype(pack(w, *value))();
}

/// `numberIn(item)` is the number that stands for it.
template <class Item, class NumberIn>
ListAt<std::uint64_t> packNumbers(Writer& w, const std::vector<Item>& items, NumberIn numberIn) {
  if (items.empty()) return 0;
  std::uint64_t* at = nullptr;
  const auto list = w.builder.CreateUninitializedVector(items.size(), &at);
  for (const Item& item : items) *at++ = flatbuffers::EndianScalar(numberIn(item));
  return list;
}

}  // namespace nephrite::wire
