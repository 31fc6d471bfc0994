#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "tests/objects/store_fixture.h"

extern char** environ;

namespace nephrite {
namespace {

namespace fs = std::filesystem;
using Reason = StoreException::Reason;
using testing::HasSubstr;

constexpr const char* kOpenVariable = "NEPHRITE_TEST_OPEN_DIRECTORY";
constexpr const char* kAnswerVariable = "NEPHRITE_TEST_OPEN_ANSWER";

/// The other program's part: with the variable set, this program opens the store, writes into a
/// file what came of it, and waits to be killed with the store open.
class OpensTheStore : public testing::Environment {
 public:
  void SetUp() override {
    const char* const directory = std::getenv(kOpenVariable);
    if (directory == nullptr) return;
    std::unique_ptr<ObjectStore> store;
    std::string answer = "opened";
    try {
      store = ObjectStore::open({.directory = directory});
    } catch (const StoreException& refused) {
      answer = (refused.reason() == Reason::InUse ? "in use: " : "failed: ") +
               std::string(refused.what());
    }
    const fs::path file = std::getenv(kAnswerVariable);
    std::ofstream(file.string() + ".new") << answer;
    fs::rename(file.string() + ".new", file);
    for (;;) ::pause();
  }
};
[[maybe_unused]] testing::Environment* const kOther =
    testing::AddGlobalTestEnvironment(new OpensTheStore);

/// Another program that opens the store in `directory`. Ends when this does.
class OtherProgram {
 public:
  explicit OtherProgram(const fs::path& directory) {
    std::string opens = std::string(kOpenVariable) + "=" + directory.string();
    std::string answers = std::string(kAnswerVariable) + "=" + (work_ / "answer").string();
    std::vector<char*> environment;
    for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
    environment.insert(environment.end(), {opens.data(), answers.data(), nullptr});
    std::string program = fs::read_symlink("/proc/self/exe").string();
    std::string filter = "--gtest_filter=GivenAStoreThatIsOpen.*";  // Any will do: see SetUp().
    char* arguments[] = {program.data(), filter.data(), nullptr};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int error =
        posix_spawn(&pid_, program.c_str(), &quiet, nullptr, arguments, environment.data());
    posix_spawn_file_actions_destroy(&quiet);
    if (error != 0) throw std::runtime_error("posix_spawn of " + program + " failed");
  }
  ~OtherProgram() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

  /// "opened", or why not.
  std::string answer() {
    while (!fs::exists(work_ / "answer")) usleep(1'000);
    std::string text;
    std::getline(std::ifstream(work_ / "answer"), text);
    return text;
  }
  pid_t pid() const { return pid_; }

 private:
  TempDirectory work_;
  pid_t pid_ = 0;
};

std::string answerOfAnotherProgram(const fs::path& directory) {
  return OtherProgram(directory).answer();
}

/// Given: a store with an order, open in this program.
class GivenAStoreThatIsOpen : public testing::Test {
 protected:
  GivenAStoreThatIsOpen() : store_(ObjectStore::open({.directory = path()})) {
    store_->defineClass(orderClass());
    order_ = createOrder(*store_, "anna", 1);
  }

  fs::path path() const { return work_ / "store"; }

  void expectInUse(const fs::path& spelling) {
    SCOPED_TRACE(spelling);
    const StoreException refused =
        failureOf([&] { ObjectStore::open({.directory = spelling, .verifyOnOpen = false}); });
    EXPECT_EQ(refused.reason(), Reason::InUse);
    EXPECT_THAT(refused.what(), HasSubstr("open in this program"));
    EXPECT_THAT(answerOfAnotherProgram(path()), HasSubstr("in use")) << "now another gets in";
  }

  void commitOne() { updateOrder(*store_, order_, store_->fetch(order_)->edition, 7); }

  void expectGone(const std::string& what) {
    const StoreException refused = failureOf([&] { commitOne(); });
    EXPECT_EQ(refused.reason(), Reason::LockGone);
    EXPECT_THAT(refused.what(), HasSubstr(path().string()));
    EXPECT_THAT(refused.what(), HasSubstr(what));
    EXPECT_EQ(failureOf([&] { store_->reserveNumbers("n", 1); }).reason(), Reason::LockGone);
    EXPECT_EQ(failureOf([&] { store_->defineClass({.name = "Other"}); }).reason(),
              Reason::LockGone);
    EXPECT_EQ(totalOf(*store_->fetch(order_)), 1) << "reading goes on";
  }

  /// Closes the store and opens what is in `directory`: all of it must be there.
  void expectWholeIn(const fs::path& directory) {
    store_.reset();
    store_ = ObjectStore::open({.directory = directory});
    EXPECT_EQ(totalOf(*store_->fetch(order_)), 1);
  }

  TempDirectory work_;
  std::unique_ptr<ObjectStore> store_;
  Oid order_;
};

TEST_F(GivenAStoreThatIsOpen, WhenItsPathIsSpeltOtherwiseThenItIsStillInUse) {
  fs::create_directory_symlink(path(), work_ / "link");
  fs::create_directory_symlink(work_.path(), work_ / "around");

  expectInUse(path());
  expectInUse(work_ / "." / "store");
  expectInUse(path() / "");
  expectInUse(path() / ".." / "store");
  expectInUse(work_ / "link");
  expectInUse(work_ / "around" / "store");
  expectInUse(fs::relative(path()));

  commitOne();
  store_ = nullptr;
  EXPECT_EQ(answerOfAnotherProgram(work_ / "link"), "opened");
}

TEST_F(GivenAStoreThatIsOpen, WhenItIsMountedElsewhereThenItIsStillInUse) {
  fs::create_directory(work_ / "mounted");
  if (::mount(path().c_str(), (work_ / "mounted").c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "this user may not mount";
  }
  expectInUse(work_ / "mounted");
  ::umount((work_ / "mounted").c_str());
}

TEST_F(GivenAStoreThatIsOpen, WhenAnotherProgramOpensItThenThatIsToldWhoHasIt) {
  const std::string answer = answerOfAnotherProgram(path());

  EXPECT_THAT(answer, HasSubstr("in use"));
  EXPECT_THAT(answer, HasSubstr(path().string()));
  EXPECT_THAT(answer, HasSubstr("process " + std::to_string(getpid())));
  EXPECT_THAT(answer, HasSubstr("disk_test"));
}

// Whoever opens a file of the store and closes it again takes nothing away from it.
TEST_F(GivenAStoreThatIsOpen, WhenItIsCopiedByThisProgramThenItIsStillInUse) {
  fs::copy(path(), work_ / "copy");

  EXPECT_THAT(answerOfAnotherProgram(path()), HasSubstr("in use"));
}

TEST_F(GivenAStoreThatIsOpen, WhenItsCopyIsOpenedThenThatIsAnotherStore) {
  fs::copy(path(), work_ / "copy");

  EXPECT_EQ(answerOfAnotherProgram(work_ / "copy"), "opened");
  commitOne();
}

TEST_F(GivenAStoreThatIsOpen, WhenItIsClosedThenAnotherProgramGetsIn) {
  store_.reset();
  OtherProgram other(path());
  EXPECT_EQ(other.answer(), "opened");

  const StoreException refused = failureOf([&] { ObjectStore::open({.directory = path()}); });
  EXPECT_EQ(refused.reason(), Reason::InUse);
  EXPECT_THAT(refused.what(), HasSubstr("process " + std::to_string(other.pid())));
}

TEST_F(GivenAStoreThatIsOpen, WhenItsProgramIsKilledThenItCanBeOpenedAtOnce) {
  store_.reset();
  {
    OtherProgram other(path());
    EXPECT_EQ(other.answer(), "opened");
  }
  EXPECT_EQ(totalOf(*ObjectStore::open({.directory = path()})->fetch(order_)), 1);
}

TEST_F(GivenAStoreThatIsOpen, WhenBothLockFilesAreRemovedThenNobodyGetsInAndNothingIsWritten) {
  fs::remove(path() / "LOCK");
  fs::remove(path() / "NEPHRITE.lock");

  EXPECT_THAT(answerOfAnotherProgram(path()), HasSubstr("in use"));
  expectGone("NEPHRITE.lock");
  EXPECT_THAT(answerOfAnotherProgram(path()), HasSubstr("in use"));
  expectWholeIn(path());
}

TEST_F(GivenAStoreThatIsOpen, WhenItsLockFileIsReplacedThenNothingIsWritten) {
  fs::rename(path() / "NEPHRITE.lock", work_ / "old");
  std::ofstream(path() / "NEPHRITE.lock") << "";

  expectGone("NEPHRITE.lock");
  expectWholeIn(path());
}

TEST_F(GivenAStoreThatIsOpen, WhenItsDirectoryIsMovedThenNothingIsWritten) {
  fs::rename(path(), work_ / "elsewhere");

  expectGone("moved");
  expectWholeIn(work_ / "elsewhere");
}

TEST_F(GivenAStoreThatIsOpen, WhenItsDirectoryIsReplacedThenTheOtherIsLeftAlone) {
  // A store that has gone on since: with files of its own.
  fs::copy(path(), work_ / "backup");
  for (int round = 0; round < 3; ++round) {
    const auto copy = ObjectStore::open({.directory = work_ / "backup"});
    createOrder(*copy, "ben", round);
  }
  fs::rename(path(), work_ / "elsewhere");
  fs::rename(work_ / "backup", path());
  const auto files = [&] {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path())) {
      names.push_back(entry.path().filename().string() + " " +
                      std::to_string(fs::file_size(entry)));
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const auto before = files();

  expectGone("replaced");
  store_.reset();
  EXPECT_EQ(files(), before);
  expectWholeIn(path());
}

TEST_F(GivenAStoreThatIsOpen, WhenItsDirectoryIsReplacedThenClosingLeavesTheOtherAlone) {
  fs::rename(path(), work_ / "elsewhere");
  fs::create_directory(path());
  store_.reset();

  EXPECT_TRUE(fs::is_empty(path()));
  expectWholeIn(work_ / "elsewhere");
}

TEST_F(GivenAStoreThatIsOpen, WhenItsDirectoryIsRemovedThenNothingIsWritten) {
  fs::remove_all(path());

  expectGone("removed");
  store_.reset();
  EXPECT_FALSE(fs::exists(path()));
}

// A path may be relative to a directory that the program leaves later on.
TEST_F(GivenAStoreThatIsOpen, WhenTheProgramGoesToAnotherDirectoryThenTheStoreStaysWhereItIs) {
  const fs::path before = fs::current_path();
  store_.reset();
  fs::current_path(work_.path());
  store_ = ObjectStore::open({.directory = "store"});
  fs::current_path("/");

  createOrder(*store_, "ben", 2);
  store_.reset();
  for (const auto& file : fs::directory_iterator(path())) {
    if (file.path().extension() != ".log") continue;
    EXPECT_EQ(fs::file_size(file), 0u) << file << ": a closed store has all in table files";
  }
  fs::current_path(before);

  EXPECT_EQ(ObjectStore::open({.directory = path()})->instances(2048).size(), 2u);
}

}  // namespace
}  // namespace nephrite
