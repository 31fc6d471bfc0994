#include "runtime/errors/process_info.h"

#include "base/plain_text.h"

namespace nephrite {

std::string_view nameOf(Face face) {
  switch (face) {
    case Face::Jade: return "jade";
    case Face::Rest: return "rest";
    case Face::Clasp: return "clasp";
    case Face::Robot: return "robot";
    case Face::Locks: return "locks";
  }
  return "?";
}

std::string ProcessInfo::through() const {
  if (faceOwner.empty()) return face == Face::Jade ? std::string() : std::string(nameOf(face));
  return std::string(nameOf(face)) + " " + plainText(faceOwner);
}

}  // namespace nephrite
