// Lines for a reader that reads, does not read, reads again, or is gone.

#include "base/background_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

#include "tests/support/thread_sanitizer.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Given: a writer of at most 1,000 bytes of waiting lines, whose reader is a pipe with little
/// room.
class GivenAWriter : public testing::Test {
 protected:
  GivenAWriter() {
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    room = ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
    writer = std::make_unique<BackgroundWriter>(BackgroundWriter::Options{
        .descriptor = ends[1], .mostBytes = 1'000, .gap = [](std::uint64_t dropped) {
          return "(" + std::to_string(dropped) + " missing)\n";
        }});
  }
  ~GivenAWriter() override {
    closeReader();
    writer.reset();
    ::close(ends[1]);
  }

  void closeReader() {
    if (ends[0] >= 0) ::close(std::exchange(ends[0], -1));
  }
  /// What is in the pipe when it ends with `end`, read as it comes.
  std::string readUntil(const std::string& end) const {
    std::string all;
    while (!all.ends_with(end)) {
      std::array<char, 512> part;
      const ssize_t got = ::read(ends[0], part.data(), part.size());
      if (got <= 0) return all + "(end)";
      all.append(part.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  /// The thread writes a line that the pipe has no room for: from now on it waits for the reader.
  void writeTooLong() const {
    writer->write(std::string(2 * static_cast<std::size_t>(room), '#') + "\n");
    char first = 0;
    EXPECT_EQ(::read(ends[0], &first, 1), 1) << "it has begun";
  }

  std::array<int, 2> ends{-1, -1};
  int room = 0;
  std::unique_ptr<BackgroundWriter> writer;
};

TEST_F(GivenAWriter, WhenLinesAreWrittenThenTheyComeInThatOrder) {
  writer->write("one\n");
  writer->write("two\n");

  EXPECT_TRUE(writer->flush(60s));
  EXPECT_EQ(readUntil("two\n"), "one\ntwo\n");
  EXPECT_EQ(writer->dropped(), 0u);
}

TEST_F(GivenAWriter, WhenNobodyReadsThenTheNewestLinesAreKeptAndTheGapIsTold) {
  writeTooLong();
  EXPECT_FALSE(writer->flush(0ms));
  for (int i = 100; i < 400; ++i) writer->write("line " + std::to_string(i) + "\n");

  const std::uint64_t dropped = writer->dropped();
  EXPECT_GE(dropped, 300u - 1'000 / 9);
  const std::string read = readUntil("line 399\n");
  EXPECT_THAT(read, HasSubstr("#\n(" + std::to_string(dropped) + " missing)\nline "));
  EXPECT_TRUE(writer->flush(60s));
  EXPECT_EQ(writer->dropped(), dropped) << "nothing more is missing";
}

TEST_F(GivenAWriter, WhenTheReaderIsGoneThenItIsNoSignalToUsAndCounted) {
  closeReader();

  writer->write("one\n");
  writer->write("two\n");

  EXPECT_TRUE(writer->flush(60s));
  EXPECT_EQ(writer->dropped(), 2u);
  struct sigaction now {};
  ::sigaction(SIGPIPE, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL) << "what the application does with it is its own";
}

TEST_F(GivenAWriter, WhenItEndsWhileNobodyReadsThenTheEndDoesNotWaitForThem) {
  writeTooLong();
  writer->write("two\n");

  writer.reset();  // Comes back.
  ends[1] = -1;    // Stays open: the writer's thread is still at it.
}

TEST_F(GivenAWriter, WhenTheProgramForksThenTheChildWritesItsOwnLines) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer lets a forked child start no thread";
  writer->write("parent\n");
  ASSERT_TRUE(writer->flush(60s));

  writer->beforeFork();
  const pid_t child = ::fork();
  if (child == 0) {
    writer->afterForkInChild();
    writer->write("child\n");
    ::_exit(writer->flush(60s) ? 0 : 1);
  }
  writer->afterForkInParent();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  ASSERT_EQ(status, 0) << "nothing would come to be read";
  EXPECT_EQ(readUntil("child\n"), "parent\nchild\n");
}

}  // namespace
}  // namespace nephrite
