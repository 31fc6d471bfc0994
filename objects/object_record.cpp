#include "objects/object_record.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

namespace nephrite {
namespace {

/// What std::allocate_shared asks for one block with, and `bytes` more behind it.
struct Block {
  std::size_t bytes = 0;
  void* behind = nullptr;  // Where they begin.
};

template <class T>
struct BlockAllocator {
  using value_type = T;

  explicit BlockAllocator(Block* asked) : block(asked) {}
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>& other) : block(other.block) {}

  T* allocate(std::size_t count) {
    void* const memory = ::operator new(count * sizeof(T) + block->bytes);
    block->behind = static_cast<T*>(memory) + count;
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t /*count*/) { ::operator delete(memory); }

  friend bool operator==(const BlockAllocator&, const BlockAllocator&) { return true; }

  Block* block;  // Gone when the record is made: nothing else is allocated with it.
};

constexpr std::size_t kMostValues = (std::size_t{1} << 31) - 1;

}  // namespace

// --- ValueList ---------------------------------------------------------------------------------

ValueList::~ValueList() {
  clear();
  free();
}

ValueList& ValueList::operator=(const ValueList& other) {
  if (this == &other) return *this;
  clear();
  append(other.begin(), other.end());
  return *this;
}

ValueList& ValueList::operator=(ValueList&& other) {
  if (this == &other) return *this;
  clear();
  if (!other.lent_) free();
  takeFrom(other);
  return *this;
}

const Value& ValueList::at(std::size_t at) const {
  if (at < size_) return first_[at];
  throw std::out_of_range("value " + std::to_string(at) + " of " + std::to_string(size_));
}

void ValueList::resize(std::size_t size) {
  reserve(size);
  while (size_ > size) first_[--size_].~Value();
  while (size_ < size) new (first_ + size_++) Value();
}

void ValueList::clear() {
  std::destroy_n(first_, size_);
  size_ = 0;
}

void ValueList::append(const Value* from, const Value* until) {
  reserve(size_ + static_cast<std::size_t>(until - from));
  for (; from != until; ++from) emplace_back(*from);
}

// Into an empty one, without memory when the other has its own.
void ValueList::takeFrom(ValueList& other) {
  if (other.lent_) {
    reserve(other.size_);
    for (Value& value : other) emplace_back(std::move(value));
    other.clear();
    return;
  }
  first_ = std::exchange(other.first_, nullptr);
  size_ = std::exchange(other.size_, 0);
  capacity_ = other.capacity_;
  lent_ = 0;
  other.capacity_ = 0;
}

void ValueList::grow(std::size_t capacity) {
  if (capacity > kMostValues) throw std::length_error("a record has too many values");
  auto* const larger = static_cast<Value*>(::operator new(capacity * sizeof(Value)));
  std::uninitialized_move_n(first_, size_, larger);
  std::destroy_n(first_, size_);
  free();
  first_ = larger;
  capacity_ = static_cast<std::uint32_t>(capacity) & kMostValues;
  lent_ = 0;
}

void ValueList::free() {
  if (!lent_) ::operator delete(first_);
}

bool operator==(const ValueList& a, const ValueList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// --- Records -----------------------------------------------------------------------------------

std::shared_ptr<ObjectRecord> makeRecord(std::size_t room) {
  static_assert(alignof(Value) <= alignof(ObjectRecord));
  if (room > kMostValues) throw std::length_error("a record has too many values");
  Block block{room * sizeof(Value)};
  auto record = std::allocate_shared<ObjectRecord>(BlockAllocator<ObjectRecord>(&block));
  record->values.first_ = static_cast<Value*>(block.behind);
  record->values.capacity_ = static_cast<std::uint32_t>(room) & kMostValues;
  record->values.lent_ = 1;
  return record;
}

std::shared_ptr<ObjectRecord> copyOf(const ObjectRecord& record, std::size_t replaced) {
  const std::size_t size = record.values.size();
  auto copy = makeRecord(replaced == SIZE_MAX ? size : std::max(size, replaced + 1));
  copy->oid = record.oid;
  copy->edition = record.edition;
  fillFrom(record, replaced, *copy);
  return copy;
}

void fillFrom(const ObjectRecord& base, std::size_t kept, ObjectRecord& record) {
  record.values.reserve(base.values.size());
  for (std::size_t i = 0; i < base.values.size(); ++i) {
    const bool there = i < record.values.size();
    if (i == kept) {
      if (!there) record.values.emplace_back();
    } else if (there) {
      record.values[i] = base.values[i];
    } else {
      record.values.push_back(base.values[i]);
    }
  }
  record.members = base.members;
}

}  // namespace nephrite
