#pragma once

#include <rocksdb/comparator.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace nephrite {

/// Private to objects. The order of RocksDB's BytewiseComparator, under its name, for keys that are
/// mostly an Oid: two of those are compared as two numbers. Putting a record in its place takes
/// some twenty comparisons, each of them otherwise two more calls. Threads: any.
class KeyOrder final : public rocksdb::Comparator {
 public:
  const char* Name() const override { return plain_.Name(); }
  const rocksdb::Comparator* GetRootComparator() const override { return &plain_; }

  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    if (a.size() != sizeof(std::uint64_t) || b.size() != sizeof(std::uint64_t)) [[unlikely]]
      return plain_.Compare(a, b);
    const std::uint64_t first = numberIn(a);
    const std::uint64_t second = numberIn(b);
    return first < second ? -1 : static_cast<int>(first > second);
  }
  int CompareWithoutTimestamp(const rocksdb::Slice& a, bool /*aHasTimestamp*/,
                              const rocksdb::Slice& b, bool /*bHasTimestamp*/) const override {
    return Compare(a, b);
  }
  bool Equal(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    return plain_.Equal(a, b);
  }

  void FindShortestSeparator(std::string* start, const rocksdb::Slice& limit) const override {
    plain_.FindShortestSeparator(start, limit);
  }
  void FindShortSuccessor(std::string* key) const override { plain_.FindShortSuccessor(key); }
  bool IsSameLengthImmediateSuccessor(const rocksdb::Slice& a,
                                      const rocksdb::Slice& b) const override {
    return plain_.IsSameLengthImmediateSuccessor(a, b);
  }
  bool CanKeysWithDifferentByteContentsBeEqual() const override { return false; }

 private:
  /// The most significant byte comes first, as in encodeOid().
  static std::uint64_t numberIn(const rocksdb::Slice& key) {
    std::uint64_t number = 0;
    std::memcpy(&number, key.data(), sizeof(number));
    return __builtin_bswap64(number);
  }

  const rocksdb::Comparator& plain_ = *rocksdb::BytewiseComparator();
};

}  // namespace nephrite
