#pragma once

#include "objects/oid.h"

namespace nephrite {

/// Class numbers of the system's own classes; Node and Process as in JADE.
namespace system_class {
inline constexpr Oid::ClassNumber kSystem = 185;
inline constexpr Oid::ClassNumber kNode = 186;
inline constexpr Oid::ClassNumber kProcess = 187;
inline constexpr Oid::ClassNumber kNodeDict = 188;
inline constexpr Oid::ClassNumber kProcessDict = 189;
}  // namespace system_class

inline bool isSystemObject(Oid oid) {
  return oid.classNumber() >= system_class::kSystem &&
         oid.classNumber() <= system_class::kProcessDict;
}

}  // namespace nephrite
