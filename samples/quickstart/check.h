#pragma once

#include <filesystem>
#include <ostream>

#include "catalog.h"

/// Holds the store against the journal: every acknowledged upgrade is there exactly once, the
/// numbers of each package's upgrades run from 1 without a gap, package and ledgers agree with
/// them. Says what does not add up; true when all does.
///
/// A commit that was durable when the program was killed, but not acknowledged yet, is in the
/// store and not in the journal: these are counted and said, and are no fault.
bool checkStore(nephrite::Process& process, const Catalog& catalog,
                const std::filesystem::path& journal, std::ostream& out);
