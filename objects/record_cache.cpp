#include "objects/record_cache.h"

#include <iterator>

namespace nephrite {
namespace {

/// What the map and the list add to each record.
constexpr std::uint64_t kBytesPerEntry = 96;

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

RecordCache::Shard& RecordCache::shardOf(Oid oid) {
  // Fibonacci hashing: the top bits depend on all bits of the Oid.
  return shards_[(oid.bits() * 0x9E3779B97F4A7C15ull) >> 60];
}

RecordCache::Found RecordCache::find(Oid oid) {
  Shard& shard = shardOf(oid);
  MutexLock hold(shard.mutex);
  const auto found = shard.index.find(oid);
  if (found == shard.index.end()) return {nullptr, shard.changes};
  shard.entries.splice(shard.entries.begin(), shard.entries, found->second);
  return {found->second->record, shard.changes};
}

void RecordCache::offer(const RecordPtr& record, std::uint64_t ticket) {
  Shard& shard = shardOf(record->oid);
  Entries leaving;
  MutexLock hold(shard.mutex);
  if (shard.changes != ticket || shard.committing.contains(record->oid)) return;
  if (shard.index.contains(record->oid)) return;  // Another reader was faster.
  leaving = put(shard, record);
}

void RecordCache::refresh(const RecordPtr& record) {
  Shard& shard = shardOf(record->oid);
  Entries replaced;
  Entries leaving;
  MutexLock hold(shard.mutex);
  if (shard.committing.contains(record->oid)) return;
  const auto known = shard.index.find(record->oid);
  if (known != shard.index.end() && known->second->record->edition >= record->edition) return;
  replaced = take(shard, record->oid);
  leaving = put(shard, record);
}

void RecordCache::beginCommit(Oid oid) {
  Shard& shard = shardOf(oid);
  MutexLock hold(shard.mutex);
  shard.committing.insert_or_assign(oid, true);
}

void RecordCache::endCommit(Oid oid, const RecordPtr& record) {
  Shard& shard = shardOf(oid);
  Entries replaced;
  Entries leaving;
  MutexLock hold(shard.mutex);
  const auto begun = shard.committing.extract(oid);
  ++shard.changes;
  replaced = take(shard, oid);
  // Whoever dropped the object may have known of a commit after this one.
  const bool latest = begun.empty() || begun.mapped();
  if (record && latest) leaving = put(shard, record);
}

void RecordCache::cancelCommit(Oid oid) {
  Shard& shard = shardOf(oid);
  MutexLock hold(shard.mutex);
  shard.committing.erase(oid);
}

void RecordCache::drop(Oid oid) {
  Shard& shard = shardOf(oid);
  Entries dropped;
  MutexLock hold(shard.mutex);
  ++shard.changes;
  dropped = take(shard, oid);
  const auto begun = shard.committing.find(oid);
  if (begun != shard.committing.end()) begun->second = false;
}

void RecordCache::clear() {
  for (Shard& shard : shards_) {
    Entries dropped;
    MutexLock hold(shard.mutex);
    ++shard.changes;
    dropped.swap(shard.entries);
    shard.index.clear();
    shard.bytes = 0;
    for (auto& [oid, latest] : shard.committing) latest = false;
  }
}

std::uint64_t RecordCache::bytesInUse() const {
  std::uint64_t bytes = 0;
  for (const Shard& shard : shards_) {
    MutexLock hold(shard.mutex);
    bytes += shard.bytes;
  }
  return bytes;
}

RecordCache::Entries RecordCache::take(Shard& shard, Oid oid) {
  Entries taken;
  const auto found = shard.index.find(oid);
  if (found == shard.index.end()) return taken;
  shard.bytes -= found->second->bytes;
  taken.splice(taken.begin(), shard.entries, found->second);
  shard.index.erase(found);
  return taken;
}

RecordCache::Entries RecordCache::put(Shard& shard, const RecordPtr& record) const {
  Entries leaving;
  const std::uint64_t bytes = bytesOf(*record);
  if (bytes > bytesPerShard_) return leaving;
  shard.entries.push_front({record, bytes});
  shard.index.emplace(record->oid, shard.entries.begin());
  shard.bytes += bytes;
  while (shard.bytes > bytesPerShard_) {
    const Entry& oldest = shard.entries.back();
    shard.bytes -= oldest.bytes;
    shard.index.erase(oldest.record->oid);
    leaving.splice(leaving.begin(), shard.entries, std::prev(shard.entries.end()));
  }
  return leaving;
}

}  // namespace nephrite
