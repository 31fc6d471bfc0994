#pragma once

#include "objects/change_set.h"
#include "objects/class_def.h"

// Private to objects: the rules that every change set must obey, wherever it is kept.

namespace nephrite {

/// Throws unless `changes` can be stored as far as `schema` alone can tell: objects of
/// `lifetime` and known classes, one change for each, values of their properties' types and
/// within their ranges, members as the kind of class has them. SchemaConflict when the schema
/// does not know of it, std::invalid_argument when it makes no sense by itself.
void checkChanges(const Schema& schema, Lifetime lifetime, const ChangeSet& changes);

/// What everybody shall see of an object after a commit. The number goes into the record when the
/// commit has succeeded (apply()), and not before: a record that was handed over stays as it was
/// when the commit fails.
struct NextEdition {
  std::shared_ptr<ObjectRecord> record;  ///< Null: the object is deleted.
  std::uint32_t edition = 0;             ///< 0 then.

  void apply() const {
    if (record) record->edition = edition;
  }
};

/// What `change` makes of `current` (null: there is no such object). The record is the change's own
/// when it was handed over, else a copy. Throws StaleEdition or NoSuchObject.
NextEdition nextEdition(const Schema& schema, const ObjectChange& change,
                        const ObjectRecord* current, bool handedOver);

}  // namespace nephrite
