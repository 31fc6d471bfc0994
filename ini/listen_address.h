#pragma once

#include <string>

namespace nephrite {

/// Why a server node cannot listen at `address`, to be put behind it: "is no IP address; ...".
/// Empty when it can: at 127.0.0.1 and all that begins with 127, at ::1, and at localhost, which is
/// the first of them. Until clients can prove their names, only clients on this machine may come.
/// Threads: any.
std::string refusalOfListenAddress(const std::string& address);

}  // namespace nephrite
