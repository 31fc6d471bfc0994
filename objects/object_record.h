#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "objects/oid.h"
#include "objects/value.h"

namespace nephrite {

struct ObjectRecord;

/// A member of a collection. `key` is null in arrays and sets.
struct CollectionMember {
  Value key;
  Oid member;
  friend bool operator==(const CollectionMember&, const CollectionMember&) = default;
};

/// The values of a record: a std::vector<Value> as far as records need one, whose memory may be
/// that of the record (makeRecord()). Beyond that, and when moved elsewhere, it has its own.
class ValueList {
 public:
  using value_type = Value;
  using iterator = Value*;
  using const_iterator = const Value*;

  ValueList() = default;
  ValueList(std::initializer_list<Value> values) { append(values.begin(), values.end()); }
  ValueList(const std::vector<Value>& values) {
    append(values.data(), values.data() + values.size());
  }
  ValueList(const ValueList& other) { append(other.begin(), other.end()); }
  ValueList(ValueList&& other) { takeFrom(other); }
  ValueList& operator=(const ValueList& other);
  ValueList& operator=(ValueList&& other);
  ~ValueList();

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  Value* data() { return first_; }
  const Value* data() const { return first_; }
  Value* begin() { return first_; }
  Value* end() { return first_ + size_; }
  const Value* begin() const { return first_; }
  const Value* end() const { return first_ + size_; }
  Value& operator[](std::size_t at) { return first_[at]; }
  const Value& operator[](std::size_t at) const { return first_[at]; }
  /// std::out_of_range when there is none.
  const Value& at(std::size_t at) const;
  Value& at(std::size_t at) { return const_cast<Value&>(std::as_const(*this).at(at)); }
  Value& front() { return first_[0]; }
  const Value& front() const { return first_[0]; }
  Value& back() { return first_[size_ - 1]; }
  const Value& back() const { return first_[size_ - 1]; }

  void reserve(std::size_t capacity) {
    if (capacity > capacity_) grow(capacity);
  }
  /// New ones are null.
  void resize(std::size_t size);
  void clear();
  template <class... Args>
  Value& emplace_back(Args&&... args) {
    if (size_ < capacity_) [[likely]]
      return *new (first_ + size_++) Value(std::forward<Args>(args)...);
    Value made(std::forward<Args>(args)...);  // Of one in here, perhaps.
    grow(size_ + 1 + size_ / 2);
    return *new (first_ + size_++) Value(std::move(made));
  }
  void push_back(const Value& value) { emplace_back(value); }
  void push_back(Value&& value) { emplace_back(std::move(value)); }

  friend bool operator==(const ValueList& a, const ValueList& b);

 private:
  friend std::shared_ptr<ObjectRecord> makeRecord(std::size_t room);

  void append(const Value* from, const Value* until);
  void takeFrom(ValueList& other);
  void grow(std::size_t capacity);
  void free();

  Value* first_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ : 31 = 0;
  std::uint32_t lent_ : 1 = 0;  // The memory is the record's.
};

/// One edition of one object. `values` stand at the indices of the ClassDef's properties and
/// may be shorter than it: what is missing is null (the class has grown since).
struct ObjectRecord {
  Oid oid;
  std::uint32_t edition = 1;  ///< 1 when created, one more for each commit that changes it.
  ValueList values = {};
  std::vector<CollectionMember> members = {};  ///< Collections only; in the order of their kind.
};

using RecordPtr = std::shared_ptr<const ObjectRecord>;

/// A record with room for so many values, in one block of memory: one prefetch reaches them all,
/// and none of them is allocated or freed by itself.
std::shared_ptr<ObjectRecord> makeRecord(std::size_t room);
/// A copy like that. The value at `replaced` is null in it, or missing: who asks replaces it. Of
/// `record` it is not even read: it may be long, and in no cache.
std::shared_ptr<ObjectRecord> copyOf(const ObjectRecord& record, std::size_t replaced = SIZE_MAX);
/// Gives `record`, of which the value at `kept` alone is there, the others and the members of
/// `base`.
void fillFrom(const ObjectRecord& base, std::size_t kept, ObjectRecord& record);

}  // namespace nephrite
