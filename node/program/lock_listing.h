#pragma once

// Private to node: what the commands print that list locks, a page at a time.

#include <cstddef>
#include <iosfwd>

#include "node/client/remote_database.h"
#include "node/program/server_views.h"

namespace nephrite {

/// Where a list goes.
struct ListingOutput {
  std::ostream& out;
  bool json = false;
  std::size_t width = 0;  ///< Of its lines; 0: as long as they are.
};

/// Held locks; with `object`, and then the requests that wait for it. Memory for a page, however
/// many there are.
void printLocks(RemoteDatabase& database, const Selection& selection, const ListingOutput& to);
/// Requests that wait, longest first, the locker each waits for, and how many wait in a row. Of
/// more than a hundred thousand that are wanted those come first that are found first, without the
/// depth.
void printQueue(RemoteDatabase& database, const Selection& selection, const ListingOutput& to);

}  // namespace nephrite
