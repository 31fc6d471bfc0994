#pragma once

// Private to runtime: listings of the lock tables with names in them.

#include <vector>

#include "runtime/database/database.h"
#include "runtime/system.h"

namespace nephrite {

std::vector<Lock> describeLocks(const Database& database, const std::vector<LockInfo>& infos);
LockContention describeContention(const Database& database, const LockContentionInfo& info);

}  // namespace nephrite
