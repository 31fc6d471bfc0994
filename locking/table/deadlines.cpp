#include "locking/table/deadlines.h"

#include <algorithm>
#include <utility>

namespace nephrite::lock_table {
namespace {

constexpr std::size_t kChildren = 4;

bool isEarlier(const Wait& a, const Wait& b) {
  if (a.deadline != b.deadline) return a.deadline < b.deadline;
  return a.sequence < b.sequence;
}

}  // namespace

void Deadlines::put(std::size_t at, Wait& wait) {
  heap_[at] = &wait;
  wait.place = static_cast<std::uint32_t>(at);
}

void Deadlines::raise(std::size_t at, Wait& wait) {
  while (at > 0) {
    const std::size_t parent = (at - 1) / kChildren;
    if (!isEarlier(wait, *heap_[parent])) break;
    put(at, *heap_[parent]);
    at = parent;
  }
  put(at, wait);
}

void Deadlines::sink(std::size_t at, Wait& wait) {
  for (;;) {
    const std::size_t from = at * kChildren + 1;
    const std::size_t to = std::min(from + kChildren, heap_.size());
    if (from >= to) break;
    std::size_t least = from;
    for (std::size_t child = from + 1; child < to; ++child) {
      if (isEarlier(*heap_[child], *heap_[least])) least = child;
    }
    if (!isEarlier(*heap_[least], wait)) break;
    put(at, *heap_[least]);
    at = least;
  }
  put(at, wait);
}

void Deadlines::insert(Wait& wait) {
  // A quarter more at a time, for there may be millions.
  if (heap_.size() == heap_.capacity()) heap_.reserve(heap_.size() + heap_.size() / 4 + 16);
  heap_.push_back(&wait);
  raise(heap_.size() - 1, wait);
}

void Deadlines::erase(Wait& wait) {
  const std::size_t at = wait.place;
  Wait& last = *heap_.back();
  heap_.pop_back();
  if (&last != &wait) {
    if (at > 0 && isEarlier(last, *heap_[(at - 1) / kChildren])) {
      raise(at, last);
    } else {
      sink(at, last);
    }
  }
  if (heap_.empty()) heap_.shrink_to_fit();
}

}  // namespace nephrite::lock_table
