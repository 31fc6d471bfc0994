#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace nephrite {

/// How long an object lives and who can see it.
enum class Lifetime : std::uint8_t {
  Persistent = 0,       ///< In the store; seen by all nodes.
  SharedTransient = 1,  ///< In one node's memory; seen by all its processes.
  Transient = 2,        ///< In one process; never locked, gone when the process ends.
  Resource = 3,         ///< No object: a name that is locked.
};

/// Identity of an object: lifetime, class number, instance number, packed in 64 bits. Never
/// used again after the object is deleted. Shown as "Class/n.m", for example "Node/186.1";
/// the class name comes from the Schema.
class Oid {
 public:
  using ClassNumber = std::uint16_t;
  static constexpr std::uint64_t kMaxInstance = (std::uint64_t{1} << 46) - 1;

  constexpr Oid() = default;  ///< The null reference.
  /// `instance` is at least 1 and at most kMaxInstance.
  constexpr Oid(Lifetime lifetime, ClassNumber classNumber, std::uint64_t instance)
      : bits_((std::uint64_t(lifetime) << 62) | (std::uint64_t(classNumber) << 46) | instance) {}

  /// The inverse of bits().
  static constexpr Oid fromBits(std::uint64_t bits) {
    Oid oid;
    oid.bits_ = bits;
    return oid;
  }

  constexpr bool isNull() const { return bits_ == 0; }
  constexpr std::uint64_t bits() const { return bits_; }
  constexpr Lifetime lifetime() const { return static_cast<Lifetime>(bits_ >> 62); }
  constexpr ClassNumber classNumber() const { return static_cast<ClassNumber>(bits_ >> 46); }
  constexpr std::uint64_t instance() const { return bits_ & kMaxInstance; }

  /// "n.m"; shared transients "n.m (shared transient)", transients "n.m (transient)".
  std::string toString() const;
  /// Reads the persistent form "n.m".
  static std::optional<Oid> parse(std::string_view text);

  /// By lifetime, class number, instance: the order in which vectors of locks are taken.
  friend constexpr auto operator<=>(const Oid&, const Oid&) = default;

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace nephrite

template <>
struct std::hash<nephrite::Oid> {
  std::size_t operator()(nephrite::Oid oid) const noexcept {
    return std::hash<std::uint64_t>{}(oid.bits());
  }
};
