#pragma once

#include <cstdint>
#include <memory>

#include "tests/network/record.h"

namespace nephrite {

/// Plays one seed: a server, its clients, the network between them and what goes wrong.
std::unique_ptr<Report> playSeed(std::uint64_t seed, bool traces = false);

}  // namespace nephrite
