#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using testing::ElementsAre;

/// Given: o is locked by p1, and p2 does not wait.
class Handlers : public GivenProcesses {
 protected:
  Handlers() {
    gets(p1, o, Exclusive);
    p2.setDefaultLockTimeout(LockTimeout::immediate());
  }
  void failToLock() { as(p2, o).exclusiveLock(); }

  ExceptionHandler noting(const std::string& name, HandlerAction action) {
    return [this, name, action](const SystemException&) {
      asked.push_back(name);
      return action;
    };
  }

  std::vector<std::string> asked;
};

TEST_P(Handlers, LocalOnesAreAskedBeforeGlobalOnesNewestFirst) {
  using enum HandlerAction;
  const auto global1 = p2.armGlobalExceptionHandler(noting("global 1", PassBack));
  const auto local1 = p2.armExceptionHandler(noting("local 1", PassBack));
  const auto global2 = p2.armGlobalExceptionHandler(noting("global 2", PassBack));
  const auto local2 = p2.armExceptionHandler(noting("local 2", PassBack));

  EXPECT_THROW(failToLock(), LockException) << "all passed it back";

  EXPECT_THAT(asked, ElementsAre("local 2", "local 1", "global 2", "global 1"));
}

TEST_P(Handlers, AreGoneWithTheirGuard) {
  { const auto armed = p2.armExceptionHandler(noting("gone", HandlerAction::PassBack)); }
  EXPECT_THROW(failToLock(), LockException);
  EXPECT_TRUE(asked.empty());
}

TEST_P(Handlers, AreAskedAboutAClassThatMakesNoSense) {
  int code = 0;
  const auto armed = p1.armExceptionHandler([&](const SystemException& exception) {
    code = exception.errorCode();
    return HandlerAction::PassBack;
  });
  const ClassDef misnamed = classNamed("no identifier", ClassKind::Object, {});
  EXPECT_THROW(p1.defineClass(misnamed), UsageException);
  EXPECT_EQ(code, 64010);
}

TEST_P(Handlers, TryLockAsksNobodyForItRaisesNothing) {
  const auto armed = p2.armExceptionHandler(noting("asked", HandlerAction::PassBack));
  EXPECT_FALSE(gets(p2, o, Share));
  EXPECT_TRUE(asked.empty());
}

TEST_P(Handlers, AbortActionOutsideRunThrowsTheExceptionItself) {
  const auto armed = p2.armExceptionHandler(noting("abort", HandlerAction::AbortAction));
  EXPECT_THROW(failToLock(), LockException);
}

TEST_P(Handlers, AbortActionPassesCatchClausesForStdException) {
  const auto armed = p2.armExceptionHandler(noting("abort", HandlerAction::AbortAction));
  bool caught = false;
  EXPECT_FALSE(p2.run([&] {
    try {
      failToLock();
    } catch (const std::exception&) {
      caught = true;
    }
  }));
  EXPECT_FALSE(caught);
}

TEST_P(Handlers, ResumeNextWithoutProtectIs1238) {
  const auto armed = p2.armExceptionHandler(noting("resume", HandlerAction::ResumeNext));
  EXPECT_EQ(codeOf([&] { failToLock(); }), 1238);
}

TEST_P(Handlers, ResumeNextGoesToTheProtectionThatArmedTheHandler) {
  bool inner = false;
  const bool outer = p2.protect(noting("outer", HandlerAction::ResumeNext), [&] {
    p2.protect(noting("inner", HandlerAction::PassBack), [&] { failToLock(); });
    inner = true;
  });
  EXPECT_FALSE(outer);
  EXPECT_FALSE(inner);
  EXPECT_THAT(asked, ElementsAre("inner", "outer"));
}

TEST_P(Handlers, ContinueAfterWhatCannotBeContinuedIs1238) {
  const auto armed = p2.armExceptionHandler(noting("continue", HandlerAction::Continue));
  EXPECT_EQ(codeOf([&] { p2.endLoad(); }), 1238);
}

TEST_P(Handlers, AHandlerThatFailsIsOfferedItsOwnExceptionAtMostTwentyDeep) {
  int depth = 0;
  const auto armed = p2.armExceptionHandler([&](const SystemException&) {
    ++depth;
    failToLock();
    return HandlerAction::PassBack;
  });
  EXPECT_THROW(failToLock(), LockException);
  EXPECT_EQ(depth, 20);
}

TEST_P(Handlers, AtMost128StandAtOneLevel) {
  std::vector<ArmedHandler> armed;
  for (int i = 0; i < 128; ++i) {
    armed.push_back(p2.armExceptionHandler(noting("many", HandlerAction::PassBack)));
  }
  EXPECT_EQ(codeOf([&] {
              armed.push_back(p2.armExceptionHandler(noting("more", HandlerAction::PassBack)));
            }),
            numberOf(ErrorCode::TooManyHandlers));
  EXPECT_TRUE(p2.run([&] {
    const auto next = p2.armExceptionHandler(noting("next level", HandlerAction::PassBack));
  }));
}

TEST_P(Handlers, AChangeGoesOnUnderAnUpdateLockThatTheHandlerGot) {
  p2.beginTransaction();
  const auto armed = p2.armExceptionHandler([&](const SystemException&) {
    as(p1, o).unlock();
    return as(p2, o).tryLock(Update) ? HandlerAction::Continue : HandlerAction::PassBack;
  });
  EXPECT_NO_THROW(as(p2, o).set("total", 1));
  EXPECT_EQ(held(p2, o), Update);
}

TEST_P(Handlers, ACommitGoesOnWhenTheHandlerClearedItsWay) {
  p2.beginTransaction();
  p2.useUpdateLocks(true);
  as(p2, o2).set("total", 5);
  ASSERT_TRUE(gets(p1, o2, Share));
  const auto armed = p2.armExceptionHandler([&](const SystemException&) {
    as(p1, o2).unlock();
    return as(p2, o2).tryLock(Exclusive) ? HandlerAction::Continue : HandlerAction::PassBack;
  });

  EXPECT_NO_THROW(p2.commitTransaction());

  EXPECT_EQ(as(p3, o2).get<int>("total"), 5);
}

NEPHRITE_ON_BOTH_FORMS(Handlers);

}  // namespace
}  // namespace nephrite
