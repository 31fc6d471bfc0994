#pragma once

// What a process does most, for the compiler to make one function of.

#include <optional>

#include "runtime/process/process_machine.h"

namespace nephrite {

// What it reads of the session are atomics: it is not between the calls of one thread.
inline std::optional<LockTerms> ProcessMachine::quickTerms(Oid target, LockType type,
                                                           LockDuration duration,
                                                           LockTimeout timeout) const {
  const Lifetime lifetime = target.lifetime();
  if (lifetime == Lifetime::Transient || duration == LockDuration::Persistent) {
    return std::nullopt;
  }
  const OpenTransaction& transaction =
      lifetime == Lifetime::SharedTransient ? shared_ : persistent_;
  const bool inTransaction = transaction.inTransaction.load(std::memory_order_relaxed);
  // What it deletes is itself, perhaps.
  if (transaction.slow.load(std::memory_order_relaxed) != 0) return std::nullopt;
  if (type == LockType::Update && !inTransaction) return std::nullopt;

  const LockTimeout wait =
      timeout.isProcessDefined() ? defaultTimeout_.load(std::memory_order_relaxed) : timeout;
  const std::uint16_t level = level_.load(std::memory_order_relaxed);
  return LockTerms(wait, level, type, duration, inTransaction || level > 0);
}

inline bool ProcessMachine::lockAtOnce(Oid target, LockType type, LockDuration duration,
                                       LockTimeout timeout) {
  const auto terms = quickTerms(target, type, duration, timeout);
  return terms && port_->tryLock(target, *terms);
}

inline bool ProcessMachine::unlockAtOnce(Oid target) {
  const Lifetime lifetime = target.lifetime();
  if (lifetime == Lifetime::Transient) return false;
  const OpenTransaction& transaction =
      lifetime == Lifetime::SharedTransient ? shared_ : persistent_;
  if (transaction.inTransaction.load(std::memory_order_relaxed)) return false;
  return level_.load(std::memory_order_relaxed) == 0 && port_->tryUnlock(target);
}

}  // namespace nephrite
