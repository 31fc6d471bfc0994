#pragma once

#include <utility>

#include "runtime/process.h"

namespace nephrite {

/// A transaction for a scope: begun here, aborted at the end unless committed.
class [[nodiscard]] Transaction {
 public:
  explicit Transaction(Process& process) : process_(process) { process_.beginTransaction(); }
  ~Transaction() {
    if (open_ && process_.isSignedOn()) process_.abortTransaction();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// When it throws, the transaction is still open: call it again, or leave the scope.
  void commit(std::stop_token stop = {}) {
    process_.commitTransaction(std::move(stop));
    open_ = false;
  }
  void abort() {
    open_ = false;
    process_.abortTransaction();
  }

 private:
  Process& process_;
  bool open_ = true;
};

/// The same for shared transients.
class [[nodiscard]] TransientTransaction {
 public:
  explicit TransientTransaction(Process& process) : process_(process) {
    process_.beginTransientTransaction();
  }
  ~TransientTransaction() {
    if (open_ && process_.isSignedOn()) process_.abortTransientTransaction();
  }
  TransientTransaction(const TransientTransaction&) = delete;
  TransientTransaction& operator=(const TransientTransaction&) = delete;

  void commit(std::stop_token stop = {}) {
    process_.commitTransientTransaction(std::move(stop));
    open_ = false;
  }

 private:
  Process& process_;
  bool open_ = true;
};

/// Load state for a scope: collections stay locked between accesses. A commit or abort in between
/// ends it early, and the scope's end does nothing then.
class [[nodiscard]] LoadState {
 public:
  explicit LoadState(Process& process) : process_(process) { process_.beginLoad(); }
  ~LoadState() {
    if (process_.isSignedOn() && process_.isInLoadState()) process_.endLoad();
  }
  LoadState(const LoadState&) = delete;
  LoadState& operator=(const LoadState&) = delete;

 private:
  Process& process_;
};

/// Lock state for a scope: every object read is locked Share until its end.
class [[nodiscard]] LockState {
 public:
  explicit LockState(Process& process) : process_(process) { process_.beginLock(); }
  ~LockState() {
    if (process_.isSignedOn() && process_.isInLockState()) process_.endLock();
  }
  LockState(const LockState&) = delete;
  LockState& operator=(const LockState&) = delete;

 private:
  Process& process_;
};

/// A lock for a scope. Its end unlocks, which transaction, load and lock state ignore: there the
/// lock stays until the state ends.
class [[nodiscard]] LockGuard {
 public:
  LockGuard(Object object, LockType type, LockDuration duration = LockDuration::Transaction,
            LockWait wait = LockTimeout::processDefined(), std::stop_token stop = {})
      : object_(std::move(object)) {
    object_.lock(type, duration, wait, std::move(stop));
  }
  ~LockGuard() { object_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Object object_;
};

}  // namespace nephrite
