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

/// All classes of a store at one moment. Immutable; a change makes a new one, which shares nearly
/// all with it: n classes defined one after the other copy some n log n references in all. Numbers
/// and names are unique. Names looked for need not be in NFC.
/// Time:    a lookup asks one hash table while there are few classes, log n of them at most.
/// Threads: any.
class Schema {
 public:
  using ClassPtr = std::shared_ptr<const ClassDef>;

  explicit Schema(std::vector<ClassPtr> classes);
  ~Schema();

  /// This schema and `definition`, which is new or takes the place of the class with its number.
  std::shared_ptr<const Schema> with(ClassPtr definition) const;

  ClassPtr find(std::string_view name) const;
  ClassPtr find(Oid::ClassNumber number) const;
  /// Ordered by number. Takes a while: it is put together.
  std::vector<ClassPtr> classes() const;
  std::size_t size() const { return size_; }
  /// 0 when there are no classes.
  Oid::ClassNumber highestNumber() const { return highestNumber_; }

  /// "Class/n.m"; "?/n.m" when the class is not known, "null" for the null reference.
  std::string show(Oid oid) const;

 private:
  // What schemas share. Of two definitions of a class the one in the later block counts.
  struct Block {
    explicit Block(std::vector<ClassPtr> members);
    std::vector<ClassPtr> classes;  // Ordered by number.
    // Keys are views of the names in `classes`.
    std::unordered_map<std::string_view, ClassPtr> byName;
  };
  using BlockPtr = std::shared_ptr<const Block>;

  Schema() = default;
  static std::vector<ClassPtr> merged(const std::vector<ClassPtr>& earlier,
                                      const std::vector<ClassPtr>& later);
  ClassPtr findAsIs(std::string_view name) const;

  std::vector<BlockPtr> blocks_;  // Each larger than all that come after it, but for small ones.
  std::size_t size_ = 0;
  Oid::ClassNumber highestNumber_ = 0;
};

}  // namespace nephrite
