#include "runtime/lock_call.h"

namespace nephrite {

LockResult LockResult::success() { return heldWith(nullptr); }

LockResult LockResult::heldWith(std::exception_ptr failure) {
  LockResult result(std::move(failure));
  result.held_ = true;
  return result;
}

}  // namespace nephrite
