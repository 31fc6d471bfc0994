// What the n-th of many costs does not grow with n: of the processes of one node, of the classes of
// a database. Counted in bytes that are allocated: what is copied each time shows there.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "runtime/nephrite.h"
#include "tests/support/database_form.h"
#include "tests/support/thread_sanitizer.h"

namespace {
std::atomic<std::uint64_t> allocated{0};
}  // namespace

#ifndef NEPHRITE_THREAD_SANITIZER
// Those of this whole program; the forms that are not here call these. Not inline: gcc would see
// free() of what comes from operator new.
void* operator new(std::size_t bytes) {
  allocated.fetch_add(bytes, std::memory_order_relaxed);
  if (void* const made = std::malloc(bytes == 0 ? 1 : bytes)) return made;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }
#endif

namespace nephrite {
namespace {

/// Given: a node of a database in memory, in either form.
class GivenANode : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    if (kThreadSanitizer) GTEST_SKIP() << "bytes are not counted under ThreadSanitizer";
  }
  static std::shared_ptr<ObjectStore> store() {
    return ObjectStore::open({.directory = {}, .inMemory = true});
  }

  /// Calls `step` for 0, 1, 2... Four times as many cost four times as much, and a little for the
  /// logarithm; what copies all that is there already costs sixteen times as much.
  template <typename Step>
  static void expectNoGrowth(int count, const Step& step) {
    const std::uint64_t before = allocated;
    for (int i = 0; i < count / 4; ++i) step(i);
    const std::uint64_t quarter = allocated - before;
    for (int i = count / 4; i < count; ++i) step(i);
    const std::uint64_t all = allocated - before;
    EXPECT_LT(all, 7 * quarter) << count << " cost " << all << " bytes, " << count / 4
                                << " of them " << quarter;
  }

  DatabaseForm form{GetParam(), store(), SystemClock::instance(), {}};
  Node node = Node::signOn(form.database(), "main");
};

NEPHRITE_ON_BOTH_FORMS(GivenANode);

TEST_P(GivenANode, WhenManyProcessesSignOnThenTheLastCostsNoMoreThanTheFirst) {
  std::vector<Process> processes;
  // One client node signs on 1,000 at most.
  expectNoGrowth(GetParam() == Form::Local ? 20'000 : 900, [&](int i) {
    processes.push_back(node.signOn({.user = "anna", .name = "till " + std::to_string(i)}));
  });
  EXPECT_EQ(processes.back().system().processInfos().size(), processes.size() + 1);
}

TEST_P(GivenANode, WhenManyClassesAreDefinedThenTheLastCostsNoMoreThanTheFirst) {
  constexpr int kClasses = 5'000;
  Process anna = node.signOn({.user = "anna"});
  const auto nameOf = [](int i) { return "Class" + std::to_string(i); };
  expectNoGrowth(kClasses, [&](int i) {
    anna.defineClass({.name = nameOf(i), .properties = {{"note", ValueType::String}}});
  });
  for (const int i : {0, 1, 2'500, kClasses - 1}) {
    ASSERT_NE(form.database()->schema()->find(nameOf(i)), nullptr) << i;
    EXPECT_EQ(form.database()->schema()->find(nameOf(i))->properties.size(), 1u);
  }
}

}  // namespace
}  // namespace nephrite
