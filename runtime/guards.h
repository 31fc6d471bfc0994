#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>

#include "runtime/process.h"

namespace nephrite {

// What ends with a scope. The destructors throw nothing and ask no handler: what one of them cannot
// do (another thread is in a call of the process, the server cannot be reached) it logs as
// "scope.failed". All of them stay with their process when the Process handle is moved, and do
// nothing once it has signed off.

/// A transaction for a scope: begun here, aborted at the end unless committed.
class [[nodiscard]] Transaction {
 public:
  explicit Transaction(Process& process);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// When it throws, the transaction is still open: call it again, or leave the scope.
  void commit(std::stop_token stop = {});
  void abort();

 private:
  const std::shared_ptr<ProcessCore> process_;
  bool open_ = true;
};

/// The same for shared transients.
class [[nodiscard]] TransientTransaction {
 public:
  explicit TransientTransaction(Process& process);
  ~TransientTransaction();
  TransientTransaction(const TransientTransaction&) = delete;
  TransientTransaction& operator=(const TransientTransaction&) = delete;

  void commit(std::stop_token stop = {});
  void abort();

 private:
  const std::shared_ptr<ProcessCore> process_;
  bool open_ = true;
};

/// Load state for a scope: collections stay locked between accesses. A commit or abort in between
/// ends it early, and the scope's end does nothing then. When states begun inside it are still
/// open, its locks go with the last of them.
class [[nodiscard]] LoadState {
 public:
  explicit LoadState(Process& process);
  ~LoadState();
  LoadState(const LoadState&) = delete;
  LoadState& operator=(const LoadState&) = delete;

 private:
  const std::shared_ptr<ProcessCore> process_;
  std::uint64_t state_ = 0;
};

/// Lock state for a scope: every object read is locked Share until its end. Ends as LoadState does.
class [[nodiscard]] LockState {
 public:
  explicit LockState(Process& process);
  ~LockState();
  LockState(const LockState&) = delete;
  LockState& operator=(const LockState&) = delete;

 private:
  const std::shared_ptr<ProcessCore> process_;
  std::uint64_t state_ = 0;
};

/// A lock for a scope.
///
/// Begin:  asks for the lock, unless the process holds one that is as strong and lasts as long.
/// End:    puts back what was held before: unlocks, or lowers to the weaker type. A duration that
///         rose to Session stays. Transaction, load and lock state ignore unlocking: there the lock
///         stays until the state ends. What a commit has freed meanwhile is not locked again.
class [[nodiscard]] LockGuard {
 public:
  LockGuard(Object object, LockType type, LockDuration duration = LockDuration::Transaction,
            LockTimeout wait = LockTimeout::processDefined(), std::stop_token stop = {});
  ~LockGuard();
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Object object_;
  LockType before_ = LockType::Get;
  LockDuration duration_ = LockDuration::Transaction;  // To lower with.
  bool asked_ = false;
};

}  // namespace nephrite
