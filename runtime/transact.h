#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "runtime/process.h"

namespace nephrite {

/// How often and when transact() tries again, and after what.
struct Retry {
  unsigned mostAttempts = 10;  ///< Including the first.
  /// The pause after attempt n is random between half and all of
  /// min(longestPause, firstPause * 2^(n-1)): two victims of one deadlock should not meet again.
  std::chrono::milliseconds firstPause{10};
  std::chrono::milliseconds longestPause{1'000};
  bool afterDeadlock = true;     ///< DeadlockException (1081).
  bool afterLockTimeout = true;  ///< LockException (1027).
  bool afterStaleObject = true;  ///< UpgradeException (1146), StaleObjectException (64025).
  std::stop_token stop{};        ///< Ends a pause, and the wait of a commit.
};

/// Runs `body` in a transaction of `process` and commits it; when it is refused for a reason that
/// another try may change, aborts, pauses and runs it again, from the beginning. Returns what
/// `body` returned.
///
///     transact(anna, [&] { order.set("total", order.get<int>("total") + 1); });
///
/// Body:    reads what it decides on by itself, for it may run several times, and does nothing that
///          cannot be taken back. It neither begins nor ends the transaction.
/// Waits:   for locks, the disk, and its pauses.
/// Errors:  the exception of the last attempt; every other exception at once. In each case the
///          transaction is aborted, but where the process has signed off (64014, 64015).
///          CancelledException (64005) when `retry.stop` or the process's own stop ends a pause;
///          UsageException (64001) in a transaction.
/// Threads: that of the process.
template <std::invocable Body>
std::invoke_result_t<Body&> transact(Process& process, Body&& body, const Retry& retry = {});

/// What transact() stands on.
void runTransaction(Process& process, const std::function<void()>& body, const Retry& retry);

template <std::invocable Body>
std::invoke_result_t<Body&> transact(Process& process, Body&& body, const Retry& retry) {
  using Result = std::invoke_result_t<Body&>;
  if constexpr (std::is_void_v<Result>) {
    runTransaction(process, std::ref(body), retry);
  } else {
    std::optional<Result> result;
    runTransaction(
        process, [&] { result.emplace(body()); }, retry);
    return std::move(*result);
  }
}

}  // namespace nephrite
