#include <gmock/gmock.h>
#include <sys/mount.h>

#include <algorithm>

#include "objects/disk/store_env.h"
#include "tests/disk/faulty_file_system.h"
#include "tests/disk/killed_store.h"
#include "tests/support/child_process.h"

namespace nephrite {
namespace {

namespace fs = std::filesystem;
using Fault = FaultyFileSystem::Fault;
using Reason = StoreException::Reason;
using testing::AnyOf;
using testing::Eq;
using testing::HasSubstr;

/// Given: a store as a killed program leaves it.
class GivenAStoreToBeOpened : public testing::Test {
 protected:
  static constexpr int kOrders = 3;

  void expectWhole(const fs::path& directory) const {
    killed_.expectWhole(*ObjectStore::open({.directory = directory, .verifyOnOpen = false}));
  }

  /// Opens the store with each operation failing in turn, until opening needs no more of them.
  void failAtEachOperation(Fault fault, bool onlyOnce, bool readsCount) {
    int at = 0;
    for (bool failed = true; failed; at += strideOfCycles()) {
      SCOPED_TRACE(testing::Message() << "operation " << at << " fails");
      const fs::path victim = killed_.victim();
      const auto disk = std::make_shared<FaultyFileSystem>();
      const auto env = rocksdb::NewCompositeEnv(disk);
      disk->readsCount = readsCount;
      disk->failFrom(at, fault, onlyOnce);
      try {
        openWithEnv({.directory = victim}, env.get());
      } catch (const StoreException& failure) {
        SCOPED_TRACE(failure.what());
        EXPECT_THAT(failure.reason(), AnyOf(Eq(Reason::Io), Eq(Reason::Damaged)));
        EXPECT_THAT(failure.what(), HasSubstr("could not "));
        EXPECT_THAT(failure.what(), HasSubstr(victim.string()));
        if (fault == Fault::DiskFull) {
          EXPECT_EQ(failure.reason(), Reason::Io);
          EXPECT_THAT(failure.what(), HasSubstr("make room"));
        }
      }
      failed = disk->hasFailed();
      disk->heal();
      expectWhole(victim);
      if (HasFailure()) return;
    }
    EXPECT_GT(at, 20) << "too few operations failed to have proved anything";
  }

  const KilledStore killed_{kOrders};
};

TEST_F(GivenAStoreToBeOpened, WhenTheDiskIsFullThenItSaysSoAndLosesNothing) {
  failAtEachOperation(Fault::DiskFull, /*onlyOnce=*/false, /*readsCount=*/false);
}

TEST_F(GivenAStoreToBeOpened, WhenTheDiskIsFullForAMomentThenItSaysSoAndLosesNothing) {
  failAtEachOperation(Fault::DiskFull, /*onlyOnce=*/true, /*readsCount=*/false);
}

TEST_F(GivenAStoreToBeOpened, WhenTheDiskBreaksThenItSaysSoAndLosesNothing) {
  failAtEachOperation(Fault::IoError, /*onlyOnce=*/false, /*readsCount=*/true);
}

TEST_F(GivenAStoreToBeOpened, WhenTheDiskFailsForAMomentThenItSaysSoAndLosesNothing) {
  failAtEachOperation(Fault::IoError, /*onlyOnce=*/true, /*readsCount=*/true);
}

/// Given: the same on a small disk of its own, which is filled up but for some pages.
class GivenASmallDisk : public GivenAStoreToBeOpened {
 protected:
  static constexpr std::uintmax_t kPage = 4096;

  GivenASmallDisk() {
    fs::create_directory(disk());
    mounted_ = ::mount("tmpfs", disk().c_str(), "tmpfs", 0, "size=2m") == 0;
    if (mounted_) killed_.copyTo(disk() / "store");
  }
  ~GivenASmallDisk() override {
    if (mounted_) ::umount(disk().c_str());
  }

  fs::path disk() const { return killed_ / "disk"; }

  void fillUpBut(std::uintmax_t pages) const {
    fs::remove(disk() / "filler");
    std::ofstream filler(disk() / "filler");
    filler << std::string((fs::space(disk()).available / kPage - pages) * kPage, 'x');
    filler.close();
    ASSERT_EQ(fs::space(disk()).available / kPage, pages);
  }

  bool mounted_ = false;
};

TEST_F(GivenASmallDisk, WhenItIsFullThenTheStoreSaysSoAndLosesNothing) {
  if (!mounted_) GTEST_SKIP() << "this user may not mount";
  int refused = 0;
  bool opened = false;
  for (std::uintmax_t pages = 0; !opened; ++pages) {
    SCOPED_TRACE(testing::Message() << pages << " pages are free");
    ASSERT_LT(pages, 200u);
    killed_.copyTo(disk() / "store");
    fillUpBut(pages);
    try {
      const auto store = ObjectStore::open({.directory = disk() / "store"});
      opened = true;
      // It runs full while it is open.
      for (;;) createOrder(*store, std::string(1000, 'x'), 1);
    } catch (const StoreException& failure) {
      EXPECT_EQ(failure.reason(), Reason::Io);
      EXPECT_THAT(failure.what(), HasSubstr("make room"));
      EXPECT_THAT(failure.what(), HasSubstr((disk() / "store").string()));
      ++refused;
    }
    fs::remove(disk() / "filler");
    if (!opened) expectWhole(disk() / "store");
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 2);
  EXPECT_GE(ObjectStore::open({.directory = disk() / "store"})->instances(2048).size(),
            2u * kOrders);
}

}  // namespace
}  // namespace nephrite
