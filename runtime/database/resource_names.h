#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "objects/oid.h"

namespace nephrite {

/// A name that can be locked like an object, and nothing more. Nothing of it is stored.
/// Threads: a value.
struct NamedResource {
  static constexpr std::size_t kMostBytes = 1024;

  Oid oid;           ///< Of Lifetime::Resource. Never that of another name.
  std::string name;  ///< 1 to kMostBytes bytes; any.
};

/// Which name has which Oid. A name keeps its Oid for as long as a NamedResource of it is kept, or
/// it is locked or waited for; then, some time later, it costs nothing any more.
/// Threads: any.
class ResourceNames {
 public:
  /// `isLocked`: does any process hold or want it? Called under the mutex of this.
  explicit ResourceNames(std::function<bool(Oid)> isLocked);
  ~ResourceNames();
  ResourceNames(const ResourceNames&) = delete;
  ResourceNames& operator=(const ResourceNames&) = delete;

  /// Two calls with the same bytes get the same one, others never.
  std::shared_ptr<const NamedResource> find(std::string_view name);
  /// Empty: there is none any more.
  std::string nameOf(Oid oid) const;
  std::size_t size() const;
  /// Oids are given from here on. Before any is.
  void numberFrom(std::uint64_t first);

 private:
  struct State;
  const std::shared_ptr<State> state_;  // What is handed out may outlive this.
};

/// "resource nightly run"; quoted, with escapes, when the name has blanks at an end, quotes or what
/// cannot be printed.
std::string showResource(std::string_view name);

}  // namespace nephrite
