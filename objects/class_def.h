#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "objects/oid.h"
#include "objects/value.h"

namespace nephrite {

/// What the instances of a class are.
enum class ClassKind : std::uint8_t {
  Object = 0,      ///< Properties only.
  Array = 1,       ///< And a list of references, in the order of adding; duplicates allowed.
  Set = 2,         ///< And references, each at most once, ordered by Oid.
  Dictionary = 3,  ///< And references by unique key, ordered by key.
};

/// A property of a class: what it is called and what it may hold. Every property may be null.
struct PropertyDef {
  std::string name;  ///< Unicode identifier, compared case-sensitively after NFC.
  ValueType type = ValueType::Null;
  friend bool operator==(const PropertyDef&, const PropertyDef&) = default;
};

/// A class: its number, name, kind and properties. A property keeps its index for ever;
/// classes grow by new properties at the end.
struct ClassDef {
  Oid::ClassNumber number = 0;  ///< Given by the store; below 2048 the system's own.
  std::string name;
  ClassKind kind = ClassKind::Object;
  ValueType keyType = ValueType::Null;  ///< Dictionaries only: Integer, Integer64 or String.
  std::vector<PropertyDef> properties = {};

  /// Where the property's value stands in ObjectRecord::values; empty when there is none of that
  /// name. `property` need not be in NFC.
  std::optional<std::size_t> indexOf(std::string_view property) const;

  friend bool operator==(const ClassDef&, const ClassDef&) = default;
};

std::string_view nameOf(ClassKind kind);

/// All classes of a store at one moment. Immutable; a change makes a new one. Numbers and names
/// are unique. Names looked for need not be in NFC.
/// Threads: any.
class Schema {
 public:
  explicit Schema(std::vector<std::shared_ptr<const ClassDef>> classes);
  ~Schema();

  std::shared_ptr<const ClassDef> find(std::string_view name) const;
  std::shared_ptr<const ClassDef> find(Oid::ClassNumber number) const;
  const std::vector<std::shared_ptr<const ClassDef>>& classes() const { return classes_; }

  /// "Class/n.m"; "?/n.m" when the class is not known, "null" for the null reference.
  std::string show(Oid oid) const;

 private:
  std::vector<std::shared_ptr<const ClassDef>> classes_;  // Ordered by number.
  // Keys are views of the names in classes_.
  std::unordered_map<std::string_view, std::shared_ptr<const ClassDef>> byName_;
};

}  // namespace nephrite
