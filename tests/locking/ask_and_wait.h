#pragma once

#include <memory>

#include "base/answer_wait.h"
#include "locking/lock_manager.h"

namespace nephrite {

/// Asks the slow path, and sleeps until the lock is granted or a minute is over: then null.
inline FencingToken askAndWait(LockManager& locks, LockerId locker, LockTarget target,
                               LockType type) {
  LockRequest request;
  request.locker = locker;
  request.target = target;
  request.type = type;
  request.timeout = LockTimeout::ofMilliseconds(60'000);
  const auto answer = std::make_shared<AnswerWait<FencingToken>>();
  locks.request(request, [answer](const LockAnswer& told) { answer->complete(told.token); })
      .deliver();
  return answer->get();
}

}  // namespace nephrite
