#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "objects/oid.h"
#include "objects/value.h"

namespace nephrite {

/// A member of a collection. `key` is null in arrays and sets.
struct CollectionMember {
  Value key;
  Oid member;
  friend bool operator==(const CollectionMember&, const CollectionMember&) = default;
};

/// One edition of one object. `values` stand at the indices of the ClassDef's properties and
/// may be shorter than it: what is missing is null (the class has grown since).
struct ObjectRecord {
  Oid oid;
  std::uint32_t edition = 1;  ///< 1 when created, one more for each commit that changes it.
  std::vector<Value> values = {};
  std::vector<CollectionMember> members = {};  ///< Collections only; in the order of their kind.
};

using RecordPtr = std::shared_ptr<const ObjectRecord>;

enum class ChangeKind : std::uint8_t { Create, Update, Delete };

/// What one transaction does to one object.
struct ObjectChange {
  ChangeKind kind = ChangeKind::Update;
  /// The object as it shall be; of a Delete only `oid` and `edition` count. `edition` is the
  /// committed edition that the change is based on (ignored for Create): commit refuses a
  /// change based on an older one.
  ObjectRecord record;
};

/// All that one transaction makes durable, at most one change per object.
struct ChangeSet {
  std::vector<ObjectChange> changes;
  bool empty() const { return changes.empty(); }
};

}  // namespace nephrite
