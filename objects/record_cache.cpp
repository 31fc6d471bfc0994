#include "objects/record_cache.h"

#include <bit>
#include <utility>

#include "base/check.h"

namespace nephrite {
namespace {

/// What its slot, and the control block of its pointer, add to each record.
constexpr std::uint64_t kBytesPerEntry = 96;

constexpr std::size_t kFirstSlots = 16;
constexpr unsigned kShardBits = 4;

// Fibonacci hashing: the top bits depend on all bits of the Oid. The first of them choose the
// shard, the next ones the slot.
std::uint64_t hashOf(std::uint64_t key) { return key * 0x9E3779B97F4A7C15ull; }

/// Its first three cache lines, beginning with the count of its pointers, which stands before it.
void prefetch(const ObjectRecord& record) {
  constexpr std::size_t kLine = 64, kCount = 16;
  const char* const begin = reinterpret_cast<const char*>(&record) - kCount;
  __builtin_prefetch(begin, /*write=*/1);
  __builtin_prefetch(begin + kLine);
  __builtin_prefetch(begin + 2 * kLine);
}

std::uint64_t bytesBeside(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->capacity();
  if (const auto* bytes = std::get_if<Binary>(&value)) return bytes->capacity();
  return 0;
}

}  // namespace

std::uint64_t bytesOf(const ObjectRecord& record) {
  std::uint64_t bytes = kBytesPerEntry + sizeof(record);
  bytes += record.values.capacity() * sizeof(Value);
  bytes += record.members.capacity() * sizeof(CollectionMember);
  for (const Value& value : record.values) bytes += bytesBeside(value);
  for (const CollectionMember& entry : record.members) bytes += bytesBeside(entry.key);
  return bytes;
}

// --- Slots -------------------------------------------------------------------------------------

std::size_t RecordCache::shardNumberOf(Oid oid) {
  static_assert(kShards == std::size_t{1} << kShardBits);
  return hashOf(oid.bits()) >> (64 - kShardBits);
}

std::size_t RecordCache::homeOf(const Shard& shard, std::uint64_t key) {
  return (hashOf(key) << kShardBits) >> shard.shift.load(std::memory_order_relaxed);
}

RecordCache::Slot* RecordCache::slotOf(Shard& shard, Oid oid) {
  if (shard.slots.empty()) return nullptr;
  const std::size_t mask = shard.slots.size() - 1;
  for (std::size_t at = homeOf(shard, oid.bits());; at = (at + 1) & mask) {
    Slot& slot = shard.slots[at];
    if (slot.key == oid.bits()) return &slot;
    if (slot.key == 0) return nullptr;
  }
}

RecordCache::Slot& RecordCache::madeSlotOf(Shard& shard, Oid oid) {
  if (Slot* const known = slotOf(shard, oid)) return *known;
  if ((shard.taken + 1) * 4 > shard.slots.size() * 3) grow(shard);
  const std::size_t mask = shard.slots.size() - 1;
  std::size_t at = homeOf(shard, oid.bits());
  while (shard.slots[at].key != 0) at = (at + 1) & mask;
  shard.slots[at].key = oid.bits();
  ++shard.taken;
  return shard.slots[at];
}

void RecordCache::grow(Shard& shard) {
  std::vector<Slot> before(shard.slots.empty() ? kFirstSlots : shard.slots.size() * 2);
  swapSlots(shard, before);
  const std::size_t mask = shard.slots.size() - 1;
  for (Slot& slot : before) {
    if (slot.key == 0) continue;
    std::size_t at = homeOf(shard, slot.key);
    while (shard.slots[at].key != 0) at = (at + 1) & mask;
    shard.slots[at] = std::move(slot);
  }
}

void RecordCache::swapSlots(Shard& shard, std::vector<Slot>& slots) {
  shard.slots.swap(slots);
  shard.begin.store(shard.slots.data(), std::memory_order_relaxed);
  if (!shard.slots.empty()) {
    const auto bits = static_cast<unsigned>(std::countr_zero(shard.slots.size()));
    shard.shift.store(64 - bits, std::memory_order_relaxed);
  }
  shard.hand = 0;
}

void RecordCache::tidy(Shard& shard, Slot& slot) {
  if (slot.record || slot.commits > 0) return;
  erase(shard, static_cast<std::size_t>(&slot - shard.slots.data()));
}

// What stands behind moves up, as far as it is not at its home then: no gap parts a slot from the
// home of its key, and none needs a mark for what was deleted.
void RecordCache::erase(Shard& shard, std::size_t at) {
  const std::size_t mask = shard.slots.size() - 1;
  for (std::size_t next = (at + 1) & mask; shard.slots[next].key != 0; next = (next + 1) & mask) {
    const std::size_t home = homeOf(shard, shard.slots[next].key);
    if (((next - home) & mask) < ((next - at) & mask)) continue;
    shard.slots[at] = std::move(shard.slots[next]);
    at = next;
  }
  shard.slots[at] = Slot();
  --shard.taken;
}

RecordPtr RecordCache::take(Shard& shard, Slot& slot) {
  if (slot.record) shard.bytes -= bytesOf(*slot.record);
  slot.used = false;
  return std::move(slot.record);
}

void RecordCache::leave(Shard& shard, Slot& slot) {
  slot.dropped = slot.commits > 0;
  tidy(shard, slot);
}

void RecordCache::put(Shard& shard, Slot& slot, const RecordPtr& record, Leaving& leaving) const {
  const std::uint64_t bytes = bytesOf(*record);
  if (bytes > bytesPerShard_) return leave(shard, slot);
  slot.record = record;
  slot.edition = record->edition;
  shard.bytes += bytes;
  const std::size_t mask = shard.slots.size() - 1;
  while (shard.bytes > bytesPerShard_) {
    Slot& candidate = shard.slots[shard.hand];
    const bool spared = std::exchange(candidate.used, false);
    if (spared || !candidate.record || candidate.record == record) {
      shard.hand = (shard.hand + 1) & mask;
      continue;
    }
    leaving.push_back(take(shard, candidate));
    leave(shard, candidate);  // Another may stand here now: the hand stays.
  }
}

// --- Records -----------------------------------------------------------------------------------

RecordCache::Found RecordCache::find(Oid oid) {
  Shard& shard = shardOf(oid);
  SpinHold hold(shard.mutex);
  Slot* const slot = slotOf(shard, oid);
  if (slot == nullptr || !slot->record) return {nullptr, shard.changes};
  slot->used = true;
  ++shard.hits;
  return {slot->record, shard.changes};
}

std::uint32_t RecordCache::edition(Oid oid, bool soon) {
  Shard& shard = shardOf(oid);
  SpinHold hold(shard.mutex);
  Slot* const slot = slotOf(shard, oid);
  if (slot == nullptr || !slot->record) return 0;
  slot->used = true;
  if (soon) {
    prefetch(*slot->record);
  } else {
    ++shard.hits;
  }
  return slot->edition;
}

void RecordCache::expect(Oid oid) const {
  const Shard& shard = shards_[shardNumberOf(oid)];
  const Slot* const begin = shard.begin.load(std::memory_order_relaxed);
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(begin) +
                                                   homeOf(shard, oid.bits()) * sizeof(Slot)));
}

void RecordCache::offer(const RecordPtr& record, std::uint64_t ticket) {
  Shard& shard = shardOf(record->oid);
  Leaving leaving;
  SpinHold hold(shard.mutex);
  if (shard.changes != ticket) return;
  // Being committed; or another reader was faster.
  if (slotOf(shard, record->oid) != nullptr) return;
  put(shard, madeSlotOf(shard, record->oid), record, leaving);
}

void RecordCache::refresh(const RecordPtr& record) {
  Shard& shard = shardOf(record->oid);
  RecordPtr replaced;
  Leaving leaving;
  SpinHold hold(shard.mutex);
  Slot& slot = madeSlotOf(shard, record->oid);
  if (slot.record && slot.edition >= record->edition) return;
  replaced = take(shard, slot);
  put(shard, slot, record, leaving);
}

RecordPtr RecordCache::beginCommit(Oid oid) {
  Shard& shard = shardOf(oid);
  SpinHold hold(shard.mutex);
  Slot& slot = madeSlotOf(shard, oid);
  NEPHRITE_CHECK(slot.commits < UINT16_MAX);
  ++slot.commits;
  return slot.record;
}

void RecordCache::endOne(Slot& slot) {
  if (slot.commits > 0 && --slot.commits == 0) slot.dropped = false;
}

RecordPtr RecordCache::endCommit(Oid oid, const RecordPtr& record) {
  Shard& shard = shardOf(oid);
  RecordPtr replaced;
  Leaving leaving;
  SpinHold hold(shard.mutex);
  ++shard.changes;
  Slot& slot = madeSlotOf(shard, oid);
  if (!record) slot.dropped = true;  // No commit that ends later may bring it back.
  // A drop, or a newer record that came meanwhile, may reflect a later commit: the later stays.
  const bool later = slot.record && record && slot.edition >= record->edition;
  const bool isTruth = record && !slot.dropped && !later;
  endOne(slot);
  if (!later) replaced = take(shard, slot);  // Also when it is not known what comes in its place.
  if (isTruth) {
    put(shard, slot, record, leaving);
  } else {
    tidy(shard, slot);
  }
  return replaced;
}

void RecordCache::cancelCommit(Oid oid) {
  Shard& shard = shardOf(oid);
  SpinHold hold(shard.mutex);
  Slot* const slot = slotOf(shard, oid);
  if (slot == nullptr) return;
  endOne(*slot);
  tidy(shard, *slot);
}

void RecordCache::drop(Oid oid) {
  Shard& shard = shardOf(oid);
  RecordPtr dropped;
  SpinHold hold(shard.mutex);
  ++shard.changes;
  Slot* const slot = slotOf(shard, oid);
  if (slot == nullptr) return;
  dropped = take(shard, *slot);
  leave(shard, *slot);
}

void RecordCache::clear() {
  for (Shard& shard : shards_) {
    std::vector<Slot> dropped;
    SpinHold hold(shard.mutex);
    ++shard.changes;
    swapSlots(shard, dropped);
    shard.taken = 0;
    shard.bytes = 0;
    for (const Slot& slot : dropped) {
      if (slot.commits == 0) continue;
      Slot& kept = madeSlotOf(shard, Oid::fromBits(slot.key));
      kept.commits = slot.commits;
      kept.dropped = true;
    }
  }
}

std::uint64_t RecordCache::bytesInUse() const {
  std::uint64_t bytes = 0;
  for (const Shard& shard : shards_) {
    SpinHold hold(shard.mutex);
    bytes += shard.bytes;
  }
  return bytes;
}

std::uint64_t RecordCache::hits() const {
  std::uint64_t hits = 0;
  for (const Shard& shard : shards_) {
    SpinHold hold(shard.mutex);
    hits += shard.hits;
  }
  return hits;
}

}  // namespace nephrite
