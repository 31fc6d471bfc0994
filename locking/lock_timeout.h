#pragma once

#include <chrono>
#include <cstdint>

namespace nephrite {

/// How long a lock request may wait: a std::chrono duration, as in `{.timeout = 5s}`, or one of
/// JADE's four constants, which share the number line of milliseconds with it.
///
/// Source: docs/locking.md, section 2.4.
class LockTimeout {
 public:
  static constexpr std::int32_t kImmediate = -1;
  static constexpr std::int32_t kServerDefined = 0;
  static constexpr std::int32_t kProcessDefined = -2;
  static constexpr std::int32_t kInfinite = 2147483647;  ///< That many ms: about 24.9 days.

  /// Refuse at once what cannot be granted at once.
  static constexpr LockTimeout immediate() { return LockTimeout(kImmediate); }
  /// The server default; for a background process, the background default.
  static constexpr LockTimeout serverDefined() { return LockTimeout(kServerDefined); }
  /// The default of the asking process; the server default when it has set none.
  static constexpr LockTimeout processDefined() { return LockTimeout(kProcessDefined); }
  static constexpr LockTimeout infinite() { return LockTimeout(kInfinite); }

  /// JADE's number: milliseconds when positive, else a constant; a negative number that is
  /// none of them means immediate.
  static constexpr LockTimeout ofMilliseconds(std::int32_t number) { return LockTimeout(number); }

  /// Converts, so that a duration stands wherever a timeout does: rounded up to whole milliseconds,
  /// immediate when zero or negative, infinite() when longer than that.
  template <class Rep, class Period>
  constexpr LockTimeout(std::chrono::duration<Rep, Period> wait)
      : LockTimeout(std::chrono::duration<double, std::milli>(wait).count() >= kInfinite
                        ? infinite()
                        : of(std::chrono::ceil<std::chrono::nanoseconds>(wait))) {}

  /// The same, by name.
  static constexpr LockTimeout of(std::chrono::nanoseconds wait) {
    if (wait <= std::chrono::nanoseconds::zero()) return immediate();
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    return LockTimeout(ms > kInfinite ? kInfinite : static_cast<std::int32_t>(ms));
  }

  constexpr std::int32_t number() const { return number_; }
  constexpr bool isImmediate() const { return number_ < 0 && number_ != kProcessDefined; }
  constexpr bool isServerDefined() const { return number_ == kServerDefined; }
  constexpr bool isProcessDefined() const { return number_ == kProcessDefined; }
  constexpr bool isWait() const { return number_ > 0; }

  /// Only when isWait().
  constexpr std::chrono::milliseconds wait() const { return std::chrono::milliseconds(number_); }

  friend constexpr bool operator==(LockTimeout, LockTimeout) = default;

 private:
  constexpr explicit LockTimeout(std::int32_t number) : number_(number) {}
  std::int32_t number_;
};

}  // namespace nephrite
