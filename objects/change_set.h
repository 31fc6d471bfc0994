#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "objects/object_record.h"

namespace nephrite {

enum class ChangeKind : std::uint8_t { Create, Update, Delete };

/// What one transaction does to one object.
struct ObjectChange {
  ObjectChange(ChangeKind what, std::shared_ptr<ObjectRecord> wanted)
      : kind(what), record(std::move(wanted)), basedOn(record->edition) {}
  ObjectChange(ChangeKind what, ObjectRecord wanted)
      : ObjectChange(what, std::make_shared<ObjectRecord>(std::move(wanted))) {}

  ChangeKind kind;
  /// The object as it shall be; of a Delete only `oid` and `edition` count. `edition` is the
  /// committed edition that the change is based on (ignored for Create): commit refuses a
  /// change based on an older one. Never null.
  std::shared_ptr<ObjectRecord> record;
  /// That edition, also when the record has become the next one (ChangeSet::handedOver).
  std::uint32_t basedOn;
};

/// Which commit it is, so that one whose answer was lost can be asked for afterwards.
struct CommitId {
  std::uint64_t process = 0;  ///< The number of the process that commits; never given twice.
  std::uint64_t number = 0;   ///< Rises from 1 with each commit of the process. 0: not recorded.
  bool isNull() const { return number == 0; }
  friend bool operator==(const CommitId&, const CommitId&) = default;
};

/// All that one transaction makes durable, at most one change per object.
struct ChangeSet {
  std::vector<ObjectChange> changes;
  CommitId id = {};
  /// The records are given away: a commit that succeeds publishes them, in their next edition,
  /// instead of copies. Until it has ended no other thread reads them, and when it has succeeded
  /// none writes to them any more. A commit that fails leaves them as they were.
  bool handedOver = false;
  /// Changes nothing. With an id it can be committed all the same, and is then recorded.
  bool empty() const { return changes.empty(); }
};

}  // namespace nephrite
