#pragma once

#include <stdexcept>

namespace nephrite {

/// The bytes are not what they should be: cut short, too long, or not what may stand there. what()
/// says where in them; the caller adds where they come from.
class DecodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace nephrite
