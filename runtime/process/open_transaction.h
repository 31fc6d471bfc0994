#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "objects/oid.h"
#include "runtime/process/change_table.h"

namespace nephrite {

enum class StateKind : std::uint8_t { Load, Lock };

/// A transaction of one process on objects of one lifetime, whether it is open or not.
/// Threads: one at a time; the atomics: any.
struct OpenTransaction {
  std::atomic<bool> inTransaction = false;
  /// Not 0: no lock can be granted at once. kDeletes: something, in the open transaction.
  /// FamilyChanges::kStale.
  std::atomic<std::uint8_t> slow = 0;
  static constexpr std::uint8_t kDeletes = 1;
  ChangeTable changes;
  std::vector<Oid> unmade;  ///< Created and deleted in the open transaction.
};

}  // namespace nephrite
