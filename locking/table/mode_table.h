#pragma once

// Private to locking: which modes of locks exclude each other.

#include <array>
#include <cstddef>
#include <cstdint>

#include "locking/lock_type.h"

namespace nephrite::lock_table {

/// The modes that a target can be locked in, as data: all that the slow path knows of who is in
/// whose way. A mode is known by its number; those of objects are the LockTypes. 0 is no lock, and
/// excludes nothing. The fast path, and what a locker's own request does (lock_rules.h), are made
/// for the four types of objects.
class ModeTable {
 public:
  static constexpr std::size_t kMost = 16;
  using Set = std::uint16_t;  ///< A bit for each mode, by number.

  /// Of `count` modes, 0 included. `goTogether(held, asked)`: may two lockers have them at once?
  /// `common`: see there.
  template <typename GoTogether>
  constexpr ModeTable(std::size_t count, LockType common, const GoTogether& goTogether)
      : common_(common) {
    for (std::size_t held = 1; held < count; ++held) {
      for (std::size_t asked = 1; asked < count; ++asked) {
        if (goTogether(static_cast<LockType>(held), static_cast<LockType>(asked))) continue;
        excludedBy_.at(held) = static_cast<Set>(excludedBy_.at(held) | 1u << asked);
      }
    }
  }

  static constexpr Set bitOf(LockType mode) { return static_cast<Set>(1u << number(mode)); }
  /// The modes that are not granted while another locker holds `held`.
  constexpr Set excludedBy(LockType held) const { return excludedBy_[number(held)]; }
  /// Is what is held, perhaps nothing, in the way of a request?
  constexpr bool excludes(LockType held, LockType asked) const {
    return (excludedBy(held) & bitOf(asked)) != 0;
  }
  /// Does `mode` exclude all that `other` excludes?
  constexpr bool excludesAllOf(LockType mode, LockType other) const {
    return (excludedBy(other) & ~excludedBy(mode)) == 0;
  }

  /// The one mode that several strangers may hold at once; all others exclude each other and
  /// themselves. So of a target's holders in other modes, but for a family, there is one at most
  /// (Entry::aboveCommon). 0: the modes are not like that.
  constexpr LockType common() const { return common_; }

  /// Does each mode exclude those that exclude it, and is `common()` as it says?
  constexpr bool isSound() const {
    for (std::size_t a = 0; a < kMost; ++a) {
      for (std::size_t b = 0; b < kMost; ++b) {
        const auto x = static_cast<LockType>(a), y = static_cast<LockType>(b);
        if (excludes(x, y) != excludes(y, x)) return false;
        const bool areUsed = excludedBy(x) != 0 && excludedBy(y) != 0;
        if (common_ == LockType{} || !areUsed || x == common_ || y == common_) continue;
        if (!excludes(x, y)) return false;
      }
    }
    return !excludes(common_, common_);
  }

 private:
  static constexpr std::size_t number(LockType mode) {
    return static_cast<std::size_t>(mode) % kMost;
  }

  std::array<Set, kMost> excludedBy_{};
  LockType common_;
};

/// Those of docs/locking.md, section 1.
inline constexpr ModeTable kJadeModes{
    5, LockType::Share, [](LockType held, LockType asked) { return compatible(held, asked); }};
static_assert(kJadeModes.isSound());

}  // namespace nephrite::lock_table
