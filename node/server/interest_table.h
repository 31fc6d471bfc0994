#pragma once

// Private to node.

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <vector>

#include "objects/oid.h"

namespace nephrite {

/// Which sessions may have which objects in their caches, and must be told when these change.
///
/// Shape:   both ways round: sessions by object, objects by session. An object leaves when the
///          session was told of its change, for the client drops it then. So the table grows only
///          by what clients read.
/// Threads: one.
class InterestTable {
 public:
  using SessionNumber = std::uint64_t;

  /// At most so many objects of one session; with one more, add() forgets all of them.
  explicit InterestTable(std::size_t mostOfOne) : mostOfOne_(mostOfOne) {}

  /// False when the session had too many: it must forget its whole cache, and this object is the
  /// first of its new one.
  bool add(SessionNumber session, Oid oid);
  bool contains(SessionNumber session, Oid oid) const;
  /// The sessions that had `oid`, but for `except`; they no longer have it now.
  std::vector<SessionNumber> takeAllBut(SessionNumber except, Oid oid);
  void forget(SessionNumber session);

 private:
  using Sessions = boost::container::small_vector<SessionNumber, 2>;
  void removeFrom(Oid oid, SessionNumber session);

  const std::size_t mostOfOne_;
  boost::unordered_flat_map<std::uint64_t, Sessions> sessionsOf_;
  boost::unordered_flat_map<SessionNumber, boost::unordered_flat_set<std::uint64_t>> objectsOf_;
};

}  // namespace nephrite
