#include "runtime/lock_call.h"

#include <atomic>

namespace nephrite {

LockResult LockResult::success() { return heldWith(nullptr); }

LockResult LockResult::heldWith(std::exception_ptr failure) {
  LockResult result(std::move(failure));
  result.held_ = true;
  return result;
}

// What the awaitable shares with the callback, for either may be gone before the other. The first
// of them to set `over` decides whether the coroutine goes on.
struct LockAwaitable::Wait {
  std::atomic<bool> over{false};
  LockResult result;
  std::stop_source abandoned;
};

LockAwaitable::~LockAwaitable() {
  if (wait_ != nullptr && !wait_->over.exchange(true)) wait_->abandoned.request_stop();
}

void LockAwaitable::await_suspend(std::coroutine_handle<> waiting) {
  // The callback may run, and this object die, before start() returns: nothing of this is touched
  // after the call.
  const Start start = std::move(start_);
  const auto wait = wait_ = std::make_shared<Wait>();
  start(
      [wait, waiting](const LockResult& result) {
        wait->result = result;
        if (!wait->over.exchange(true)) waiting.resume();
      },
      wait->abandoned.get_token());
}

void LockAwaitable::await_resume() const { wait_->result.throwIfFailed(); }

}  // namespace nephrite
