#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "locking/lock_manager.h"

namespace nephrite {

inline constexpr LockerId kAnna{1};
inline constexpr LockerId kBen{2};
inline constexpr LockerId kCleo{3};
inline constexpr LockerId kDora{4};
inline constexpr LockTarget kOrder{100};
inline constexpr LockTarget kStock{200};

/// The answer to one request; empty for as long as it waits.
struct AskedLock {
  std::shared_ptr<std::optional<LockAnswer>> answer = std::make_shared<std::optional<LockAnswer>>();

  bool waits() const { return !answer->has_value(); }
  LockOutcome outcome() const { return answer->value().outcome; }
  const LockAnswer* operator->() const { return &answer->value(); }
};

/// Given: Anna, Ben, Cleo and Dora are signed on; time stands still unless told to pass.
class LockPlay : public testing::Test {
 protected:
  LockPlay() {
    for (const LockerId locker : {kAnna, kBen, kCleo, kDora}) locks.signOn(locker);
  }
  ~LockPlay() override {
    locks.checkInvariants();
    for (const LockerId locker : {kAnna, kBen, kCleo, kDora}) locks.signOff(locker).deliver();
    locks.checkInvariants();
  }

  LockRequest wish(LockerId locker, LockTarget target, LockType type) const {
    LockRequest request;
    request.locker = locker;
    request.target = target;
    request.type = type;
    request.timeout = LockTimeout::ofMilliseconds(5000);
    request.inState = inState;
    request.level = level;
    return request;
  }

  AskedLock ask(const LockRequest& request) {
    AskedLock asked;
    LockAnswers answers = locks.request(request, answerInto(asked));
    answers.deliver();
    locks.checkInvariants();
    return asked;
  }

  AskedLock ask(LockerId locker, LockTarget target, LockType type,
                LockDuration duration = LockDuration::Transaction) {
    LockRequest request = wish(locker, target, type);
    request.duration = duration;
    return ask(request);
  }

  /// With scope Subtree.
  AskedLock askSubtree(LockerId locker, LockTarget target, LockType type,
                       LockDuration duration = LockDuration::Transaction) {
    LockRequest request = wish(locker, target, type);
    request.duration = duration;
    request.scope = LockScope::Subtree;
    return ask(request);
  }
  AskedLock askSession(LockerId locker, LockTarget target, LockType type) {
    return ask(locker, target, type, LockDuration::Session);
  }

  AskedLock commitUpgrade(LockerId locker, std::vector<LockTarget> targets,
                          LockTimeout timeout = LockTimeout::ofMilliseconds(5000)) {
    AskedLock asked;
    LockRequest request = wish(locker, {}, LockType::Exclusive);
    request.timeout = timeout;
    locks.upgradeForCommit(request, targets, answerInto(asked)).deliver();
    locks.checkInvariants();
    return asked;
  }

  void unlock(LockerId locker, LockTarget target) {
    locks.unlock(locker, target).deliver();
    locks.checkInvariants();
  }
  void commit(LockerId locker) {
    locks.releaseTransactionLocks(locker).deliver();
    locks.checkInvariants();
  }
  void endLevel(LockerId locker, std::uint16_t ended) {
    locks.releaseLevel(locker, ended).deliver();
    locks.checkInvariants();
  }

  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    for (;;) {
      LockAnswers answers = locks.expireNext(clock.now());
      if (answers.empty()) break;
      answers.deliver();
      locks.checkInvariants();
    }
  }

  /// Get when it holds nothing.
  LockType held(LockerId locker, LockTarget target) const {
    const auto status = locks.lockStatus(locker, target);
    return status ? status->type : LockType::Get;
  }
  std::optional<LockDuration> duration(LockerId locker, LockTarget target) const {
    const auto status = locks.lockStatus(locker, target);
    return status ? std::optional(status->duration) : std::nullopt;
  }

  LockDone answerInto(const AskedLock& asked) {
    return [into = asked.answer](const LockAnswer& answer) {
      ASSERT_FALSE(into->has_value()) << "answered twice";
      *into = answer;
    };
  }

  bool inState = false;     ///< Of the requests that follow.
  std::uint16_t level = 0;  ///< Of the requests that follow.
  ManualClock clock;
  LockManager locks{clock, LockManager::Options{}};
};

}  // namespace nephrite
