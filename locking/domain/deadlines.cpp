#include "locking/domain/deadlines.h"

#include <algorithm>

namespace nephrite::lock_table {
namespace {

constexpr std::size_t kChildren = 4;

}  // namespace

// Four milliseconds: there are enough of them for eight years. Later deadlines have the last one.
std::uint64_t Deadlines::Due::tickOf(Instant deadline) {
  constexpr std::int64_t kLast = (std::int64_t{1} << kTickBits) - 1;
  using Tick = std::chrono::duration<std::int64_t, std::ratio<4, 1000>>;
  const std::int64_t tick = std::chrono::floor<Tick>(deadline.sinceStart).count();
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(tick, 0, kLast));
}

Deadlines::Due::Due(Wait& wait)
    : tick_(tickOf(wait.deadline) & ((std::uint64_t{1} << kTickBits) - 1)),
      address_((reinterpret_cast<std::uint64_t>(&wait) >> kZeroBits) &
               ((std::uint64_t{1} << kAddressBits) - 1)) {}

bool Deadlines::Due::isEarlierThan(const Due& other) const {
  if (tick_ != other.tick_) return tick_ < other.tick_;
  const Wait& a = *wait();
  const Wait& b = *other.wait();
  return a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence;
}

void Deadlines::put(std::size_t at, Due due) {
  heap_[at] = due;
  due.wait()->setPlace(static_cast<std::uint32_t>(at));
}

void Deadlines::raise(std::size_t at, Due due) {
  while (at > 0) {
    const std::size_t parent = (at - 1) / kChildren;
    if (!due.isEarlierThan(heap_[parent])) break;
    put(at, heap_[parent]);
    at = parent;
  }
  put(at, due);
}

void Deadlines::sink(std::size_t at, Due due) {
  for (;;) {
    const std::size_t from = at * kChildren + 1;
    const std::size_t to = std::min(from + kChildren, heap_.size());
    if (from >= to) break;
    std::size_t least = from;
    for (std::size_t child = from + 1; child < to; ++child) {
      if (heap_[child].isEarlierThan(heap_[least])) least = child;
    }
    if (!heap_[least].isEarlierThan(due)) break;
    put(at, heap_[least]);
    at = least;
  }
  put(at, due);
}

void Deadlines::insert(Wait& wait) {
  // A sixteenth more at a time, for there may be millions.
  if (heap_.size() == heap_.capacity()) heap_.reserve(heap_.size() + heap_.size() / 16 + 16);
  heap_.push_back(Due(wait));
  raise(heap_.size() - 1, heap_.back());
}

void Deadlines::erase(Wait& wait) {
  const std::size_t at = wait.place();
  const Due last = heap_.back();
  heap_.pop_back();
  if (last.wait() != &wait) {
    if (at > 0 && last.isEarlierThan(heap_[(at - 1) / kChildren])) {
      raise(at, last);
    } else {
      sink(at, last);
    }
  }
  constexpr std::size_t kSmall = 64;
  if (heap_.empty() && heap_.capacity() > kSmall) heap_.shrink_to_fit();
}

}  // namespace nephrite::lock_table
