#include "runtime/value_cast.h"

#include <limits>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using std::int32_t;
using std::int64_t;

template <class T>
constexpr bool kReadable = ReadableAs<T>;
template <class T>
constexpr bool kWritable = WritableFrom<T>;

static_assert(kReadable<short> && kReadable<unsigned> && kReadable<long long> && kReadable<float>);
static_assert(!kReadable<std::string_view> && !kReadable<const char*>, "they would dangle");
static_assert(!kReadable<char> && !kReadable<int*>);
static_assert(kWritable<std::string_view> && kWritable<char[4]> && kWritable<std::nullopt_t>);
static_assert(!kWritable<int*> && !kWritable<std::vector<int>>);

TEST(Values, AnIntegerIsReadAsAnyIntegerThatHasRoomForIt) {
  const Value small(int32_t{200}), large(int64_t{5'000'000'000}), negative(int32_t{-1});
  EXPECT_EQ(valueAs<unsigned>(small), 200u);
  EXPECT_EQ(valueAs<long long>(small), 200);
  EXPECT_EQ(valueAs<unsigned char>(small), 200);
  EXPECT_EQ(valueAs<signed char>(small), std::nullopt);
  EXPECT_EQ(valueAs<int>(large), std::nullopt);
  EXPECT_EQ(valueAs<std::size_t>(large), 5'000'000'000u);
  EXPECT_EQ(valueAs<unsigned>(negative), std::nullopt);
  EXPECT_EQ(valueAs<long>(negative), -1);
}

TEST(Values, ARealIsReadAsFloatToo) {
  EXPECT_EQ(valueAs<float>(Value(2.5)), 2.5f);
  EXPECT_EQ(valueAs<float>(Value(int32_t{3})), 3.0f);
  EXPECT_EQ(valueAs<int>(Value(2.0)), std::nullopt) << "whether to round is for the program to say";
}

TEST(Values, NullIsTheEmptyValueOfEachType) {
  EXPECT_EQ(valueAs<unsigned>(Value()), 0u);
  EXPECT_EQ(valueAs<float>(Value()), 0.0f);
  EXPECT_EQ(valueAs<std::string>(Value()), "");
  EXPECT_EQ(valueAs<Value>(Value()), Value());
}

TEST(Values, AreWrittenFromWhatTheyAreReadAs) {
  EXPECT_EQ(toValue(7u), Value(int32_t{7}));
  EXPECT_EQ(toValue(std::numeric_limits<unsigned>::max()), Value(int64_t{4'294'967'295}));
  EXPECT_EQ(toValue(7LL), Value(int32_t{7}));
  EXPECT_EQ(toValue(1.5f), Value(1.5));
  EXPECT_EQ(toValue(std::string_view("a")), Value(std::string("a")));
}

// --- Timeouts ------------------------------------------------------------------------------------

static_assert(LockTimeout(1500us) == LockTimeout::ofMilliseconds(2), "rounded up");
static_assert(LockTimeout(0s) == LockTimeout::immediate());
static_assert(LockTimeout(-1h) == LockTimeout::immediate());
static_assert(LockTimeout(std::chrono::hours::max()) == LockTimeout::infinite());

class ChronoTimeouts : public GivenProcesses {};

TEST_P(ChronoTimeouts, StandWhereverATimeoutDoes) {
  const LockCall call{.timeout = 5s};
  EXPECT_EQ(call.timeout, LockTimeout::of(5s));
  EXPECT_EQ(p1.setDefaultLockTimeout(250ms), LockTimeout::serverDefined());
  EXPECT_EQ(p1.setDefaultLockTimeout(LockTimeout::serverDefined()), LockTimeout::of(250ms));
}
NEPHRITE_ON_BOTH_FORMS(ChronoTimeouts);

}  // namespace
}  // namespace nephrite
