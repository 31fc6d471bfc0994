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

/// What `change` makes of `current` (null: there is no such object): the next edition, or null
/// for a Delete. Throws StaleEdition or NoSuchObject.
RecordPtr nextEdition(const Schema& schema, const ObjectChange& change, const RecordPtr& current);

}  // namespace nephrite
