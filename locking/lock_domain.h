#pragma once

#include <memory>

namespace nephrite {

/// Lock managers whose requests wait for each other. A deadlock that runs through several of them
/// is found as one within a single one is: at once, and with the whole cycle. Lockers of one id are
/// one process in all of them. A LockManager without one (LockOptions::domain) has its own.
///
/// Threads: any; all its lock managers are made before one is used. One mutex guards what waits in
///          all of them.
class LockDomain;

std::shared_ptr<LockDomain> makeLockDomain();

}  // namespace nephrite
