#include "runtime/lock_call.h"

namespace nephrite {

LockResult LockResult::success() { return heldWith(nullptr); }

LockResult LockResult::heldWith(std::exception_ptr failure) {
  LockResult result(std::move(failure));
  result.held_ = true;
  return result;
}

void LockAwaitable::await_suspend(std::coroutine_handle<> waiting) {
  // The callback may run, and this object die, before start() returns: nothing of this is touched
  // after the call.
  const Start start = std::move(start_);
  start([this, waiting](const LockResult& result) {
    result_ = result;
    waiting.resume();
  });
}

}  // namespace nephrite
