#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/objects/store_fixture.h"
#include "tests/support/child_process.h"

extern char** environ;

namespace nephrite {
namespace {

namespace fs = std::filesystem;

// The play: a child process commits in several threads. Each thread notes outside the store what
// it is about to commit, and then that commit() has returned. The parent kills the child at a
// random moment, opens the store and compares it with the notes, and with what the store itself
// says of the thread's last commit; many times, on the same store.

constexpr int kThreads = 3;
constexpr int kCycles = 60;
constexpr unsigned kSeed = 20261123;
constexpr const char* kDirectoryVariable = "NEPHRITE_TEST_KILL_DIRECTORY";

fs::path journalOf(const fs::path& directory, int thread) {
  return directory / ("journal" + std::to_string(thread));
}

ObjectStore::Options optionsFor(const fs::path& directory) {
  return {.directory = directory / "store"};
}

/// Each thread commits as a process of its own.
std::uint64_t processOf(int thread) { return static_cast<std::uint64_t>(thread) + 1; }

std::string nameOf(int thread) { return "thread " + std::to_string(thread); }

/// Appends a line straight to the file: it outlives this process, whenever that is killed.
void note(int journal, char what, std::int32_t number) {
  const std::string line = what + std::to_string(number) + "\n";
  if (write(journal, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(2);
}

/// Each commit makes the thread's next order and counts it in the thread's counter.
void commitForEver(ObjectStore& store, const fs::path& directory, int thread) {
  const int journal =
      ::open(journalOf(directory, thread).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  const auto order = store.schema()->find("Order")->number;
  const auto counter = store.schema()->find("Counter")->number;
  const Oid counterOid = store.instances(counter).at(static_cast<std::size_t>(thread));
  for (;;) {
    ObjectRecord count = *store.fetch(counterOid);
    const std::int32_t next = std::get<std::int32_t>(count.values.at(0)) + 1;
    count.values.at(0) = next;
    ChangeSet changes;
    changes.changes.push_back(
        {ChangeKind::Create, {store.newOid(order), 1, {nameOf(thread), next}, {}}});
    changes.changes.push_back({ChangeKind::Update, count});
    changes.id = {processOf(thread), static_cast<std::uint64_t>(next)};
    note(journal, 'i', next);
    store.commit(changes);
    note(journal, 'a', next);
  }
}

/// The child's part: with the variable set, this program commits until it is killed instead of
/// running its tests.
class CommitsUntilItIsKilled : public testing::Environment {
 public:
  void SetUp() override {
    const char* directory = std::getenv(kDirectoryVariable);
    if (directory == nullptr) return;
    const auto store = ObjectStore::open(optionsFor(directory));
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] { commitForEver(*store, directory, i); });
    }
    for (std::thread& thread : threads) thread.join();
  }
};
[[maybe_unused]] testing::Environment* const kChild =
    testing::AddGlobalTestEnvironment(new CommitsUntilItIsKilled);

struct Notes {
  std::int32_t intended = 0;
  std::int32_t acknowledged = 0;
};

/// Given: a store with a counter for each thread of the child.
class GivenAStoreThatIsKilled : public testing::Test {
 protected:
  GivenAStoreThatIsKilled() {
    const auto store = ObjectStore::open(optionsFor(directory_.path()));
    store->defineClass(orderClass());
    const auto counter =
        store->defineClass({.name = "Counter", .properties = {{"count", ValueType::Integer}}});
    for (int i = 0; i < kThreads; ++i) {
      store->commit(changeSet(ChangeKind::Create, {store->newOid(counter->number), 1, {0}, {}}));
    }
  }

  pid_t startChild() {
    std::string variable = std::string(kDirectoryVariable) + "=" + directory_.path().string();
    std::vector<char*> environment;
    for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
    environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string program = fs::read_symlink("/proc/self/exe").string();
    std::string filter = "--gtest_filter=GivenAStoreThatIsKilled.*";  // Any will do: see SetUp().
    char* arguments[] = {program.data(), filter.data(), nullptr};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int error =
        posix_spawn(&child, program.c_str(), &quiet, nullptr, arguments, environment.data());
    posix_spawn_file_actions_destroy(&quiet);
    if (error != 0) throw std::runtime_error("posix_spawn of " + program + " failed");
    return child;
  }

  /// The child may be killed anywhere: so it does not matter how exactly the moment is met.
  void killAfter(pid_t child, std::uintmax_t journalBytes, std::chrono::microseconds pause) {
    const std::uintmax_t start = bytesOfJournals();
    while (bytesOfJournals() < start + journalBytes && waitpid(child, nullptr, WNOHANG) == 0) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(pause);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child) << "the child ended by itself";
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
  }

  std::uintmax_t bytesOfJournals() const {
    std::uintmax_t bytes = 0;
    for (int i = 0; i < kThreads; ++i) {
      std::error_code missing;
      const auto size = fs::file_size(journalOf(directory_.path(), i), missing);
      if (!missing) bytes += size;
    }
    return bytes;
  }

  Notes notesOf(int thread) const {
    Notes notes;
    std::ifstream journal(journalOf(directory_.path(), thread));
    std::string line;
    while (std::getline(journal, line)) {
      (line.at(0) == 'i' ? notes.intended : notes.acknowledged) = std::stoi(line.substr(1));
    }
    return notes;
  }

  /// Opens the store and compares it with the notes. The number of orders in it.
  std::size_t expectWhatWasAcknowledged() {
    const auto store = ObjectStore::open(optionsFor(directory_.path()));
    std::map<std::string, std::vector<std::int32_t>> orders;
    for (const Oid oid : store->instances(store->schema()->find("Order")->number)) {
      const RecordPtr order = store->fetch(oid);
      EXPECT_EQ(order->edition, 1u);
      orders[std::get<std::string>(order->values.at(0))].push_back(totalOf(*order));
    }
    std::size_t total = 0;
    const auto counters = store->instances(store->schema()->find("Counter")->number);
    for (int i = 0; i < kThreads; ++i) {
      SCOPED_TRACE(nameOf(i));
      const RecordPtr counter = store->fetch(counters.at(static_cast<std::size_t>(i)));
      const std::int32_t count = std::get<std::int32_t>(counter->values.at(0));
      const Notes notes = notesOf(i);
      EXPECT_GE(count, notes.acknowledged) << "an acknowledged commit is lost";
      EXPECT_LE(count, notes.intended) << "a commit is there that nobody made";
      EXPECT_EQ(counter->edition, static_cast<std::uint32_t>(count) + 1);
      EXPECT_EQ(store->lastCommitOf(processOf(i)), static_cast<std::uint64_t>(count))
          << "a commit is recorded if and only if it is there";

      std::vector<std::int32_t>& numbers = orders[nameOf(i)];
      std::sort(numbers.begin(), numbers.end());
      std::vector<std::int32_t> expected;
      for (std::int32_t number = 1; number <= count; ++number) expected.push_back(number);
      EXPECT_EQ(numbers, expected) << "each order exactly once, together with its count";
      total += numbers.size();
    }
    return total;
  }

 private:
  TempDirectory directory_;
};

TEST_F(GivenAStoreThatIsKilled, WhenItIsOpenedAgainThenEachAcknowledgedCommitIsThereOnce) {
  std::mt19937 random(kSeed);
  std::size_t orders = 0;
  for (int cycle = 0; cycle < cycles(kCycles); ++cycle) {
    SCOPED_TRACE(testing::Message() << "cycle " << cycle << ", seed " << kSeed);
    const bool whileOpening = cycle % 6 == 5;
    const pid_t child = startChild();
    killAfter(child, whileOpening ? 0 : 1 + random() % 2000,
              std::chrono::microseconds(whileOpening ? random() % 60'000 : random() % 2'000));
    const std::size_t found = expectWhatWasAcknowledged();
    EXPECT_GE(found, orders);
    orders = found;
    if (HasFailure()) return;
  }
  EXPECT_GT(orders, 10u * static_cast<unsigned>(cycles(kCycles)))
      << "too few commits to have proved anything";
}

}  // namespace
}  // namespace nephrite
