#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runtime/errors/exceptions.h"

namespace nephrite {

/// What a handler wants to happen next. Numbers are JADE's; PassBack's is ours.
enum class HandlerAction : int {
  Continue = 0,     ///< Go on after the call that failed. The handler has put things right.
  AbortAction = 1,  ///< Give up the action: back to Process::run(). No transaction is aborted.
  ResumeNext = 2,   ///< Go on after the Process::protect() that armed the handler.
  PassBack = 3,     ///< Ask the next handler; after the last the exception is thrown.
};

/// Called on the process's thread at the point of failure, before anything is unwound. It may use
/// the process, so also fail: such exceptions are offered to the handlers too, 20 deep at most.
/// Throwing from it throws through the call that failed.
using ExceptionHandler = std::function<HandlerAction(const SystemException&)>;

/// Keeps a handler armed for as long as it lives. Disarm on the thread of its process, the latest
/// first or in any order.
class [[nodiscard]] ArmedHandler {
 public:
  ArmedHandler() = default;
  explicit ArmedHandler(std::function<void()> disarm) : disarm_(std::move(disarm)) {}
  ArmedHandler(ArmedHandler&& other) noexcept : disarm_(std::exchange(other.disarm_, {})) {}
  ArmedHandler& operator=(ArmedHandler&& other) noexcept {
    disarm();
    disarm_ = std::exchange(other.disarm_, {});
    return *this;
  }
  ~ArmedHandler() { disarm(); }

  void disarm() {
    if (disarm_) std::exchange(disarm_, {})();
  }

 private:
  std::function<void()> disarm_;
};

}  // namespace nephrite
