#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

#include "tests/disk/killed_store.h"
#include "tests/support/child_process.h"

namespace nephrite {
namespace {

namespace fs = std::filesystem;
using Reason = StoreException::Reason;
using testing::Eq;
using testing::HasSubstr;

std::string contentOf(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void overwrite(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

/// Given: a store that a killed program left, so that half of its orders are in the log alone.
class GivenAStoreThatWasNotClosed : public testing::Test {
 protected:
  static constexpr int kOrders = 20;

  /// A fresh copy of what was found, to be damaged.
  fs::path found() const { return killed_.victim(); }

  static fs::path fileLike(const fs::path& directory, const std::string& part) {
    fs::path best;
    for (const auto& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      if (name.find(part) != std::string::npos && fs::file_size(entry) > 0) {
        best = std::max(best, entry.path());
      }
    }
    if (best.empty()) ADD_FAILURE() << "no file " << part << " in " << directory;
    return best;
  }

  static std::unique_ptr<ObjectStore> open(const fs::path& directory) {
    return ObjectStore::open({.directory = directory});
  }

  /// Flips one bit of every `step`-th byte; each time opening must be refused.
  void flipEach(const std::string& part, std::size_t step,
                testing::Matcher<Reason> reason = Eq(Reason::Damaged)) {
    const fs::path directory = found();
    const fs::path file = fileLike(directory, part);
    const std::string whole = contentOf(file);
    std::mt19937 random(4711);
    const auto stride = step * static_cast<std::size_t>(strideOfCycles());
    for (std::size_t at = 0; at < whole.size(); at += stride) {
      SCOPED_TRACE(testing::Message()
                   << file.filename() << " byte " << at << " of " << whole.size());
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
      overwrite(file, flipped);
      const StoreException refused = failureOf([&] { open(directory); });
      EXPECT_THAT(refused.reason(), reason);
      EXPECT_THAT(refused.what(), HasSubstr(directory.string()));
      EXPECT_EQ(contentOf(file), flipped) << "nothing may be changed";
      if (testing::Test::HasFailure()) return;
    }
    overwrite(file, whole);
    open(directory);  // It was the flipped bit and nothing else.
  }

  const KilledStore killed_{kOrders};
};

TEST_F(GivenAStoreThatWasNotClosed, WhenNothingIsDamagedThenAllIsThere) {
  killed_.expectWhole(*open(found()));
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfTheLogIsFlippedThenItIsRefused) {
  flipEach(".log", 3);
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfATableIsFlippedThenItIsRefused) {
  flipEach(".sst", 7);
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfTheManifestIsFlippedThenItIsRefused) {
  flipEach("MANIFEST", 7);
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfCurrentIsFlippedThenItIsRefused) {
  flipEach("CURRENT", 1);
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfTheMarkerIsFlippedThenItIsRefused) {
  const fs::path directory = found();
  const std::string whole = contentOf(directory / "NEPHRITE");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    overwrite(directory / "NEPHRITE", flipped);
    EXPECT_EQ(failureOf([&] { open(directory); }).reason(), Reason::WrongFormat) << at;
  }
}

TEST_F(GivenAStoreThatWasNotClosed, WhenAFileIsMissingThenItIsRefused) {
  for (const std::string part : {"CURRENT", "MANIFEST", ".sst", ".log"}) {
    SCOPED_TRACE(part);
    const fs::path directory = found();
    if (part == ".log") {
      for (const auto& entry : fs::directory_iterator(directory))
        if (entry.path().extension() == ".log") fs::remove(entry.path());
    } else {
      fs::remove(fileLike(directory, part));
    }
    const StoreException refused = failureOf([&] { open(directory); });
    EXPECT_EQ(refused.reason(), Reason::Damaged);
    EXPECT_THAT(refused.what(), HasSubstr(directory.string()));
    EXPECT_THAT(refused.what(), HasSubstr("backup"));
  }
}

TEST_F(GivenAStoreThatWasNotClosed, WhenATableIsCutThenItIsRefused) {
  const fs::path directory = found();
  const fs::path file = fileLike(directory, ".sst");
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_EQ(failureOf([&] { open(directory); }).reason(), Reason::Damaged);
}

// A crash cuts the log anywhere. Whatever was written whole before stays.
TEST_F(GivenAStoreThatWasNotClosed, WhenTheLogIsCutThenItOpensWithWhatCameBefore) {
  const fs::path directory = found();
  const fs::path file = fileLike(directory, ".log");
  const std::string whole = contentOf(file);
  const std::string name = file.filename().string();
  std::size_t before = kOrders;
  for (std::size_t size = 0; size < whole.size(); size += 11) {
    SCOPED_TRACE(testing::Message() << "cut to " << size << " of " << whole.size());
    overwrite(found() / name, whole.substr(0, size));
    const auto store = open(directory);
    const std::size_t count = store->instances(2048).size();
    EXPECT_GE(count, before) << "a longer log holds no less";
    EXPECT_LE(count, before + 1);
    before = count;
  }
  EXPECT_GE(before, 2u * kOrders - 1);
}

// Records longer than a block of the log, and damage in every one of its blocks.
TEST_F(GivenAStoreThatWasNotClosed, WhenAByteOfALongLogIsFlippedThenItIsRefused) {
  const fs::path directory = found();
  auto store = open(directory);
  for (int i = 0; i < 5; ++i) createOrder(*store, std::string(70'000, 'x'), i);
  killed_.killedIn(directory);
  store.reset();
  flipEach(".log", 7919);
}

TEST_F(GivenAStoreThatWasNotClosed, WhenTablesAreNotVerifiedThenReadingFindsTheDamage) {
  const fs::path directory = found();
  open(directory).reset();  // Moves all into tables.
  bool seen = false;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::string content = contentOf(entry.path());
    const std::size_t at = content.find("in a table");
    if (entry.path().extension() != ".sst" || at == std::string::npos) continue;
    content[at] = 'I';
    overwrite(entry.path(), content);
    seen = true;
  }
  ASSERT_TRUE(seen);

  const auto store = ObjectStore::open({.directory = directory, .verifyOnOpen = false});
  const StoreException refused = failureOf([&] {
    for (const Oid oid : store->instances(2048)) store->fetch(oid);
  });
  EXPECT_EQ(refused.reason(), Reason::Damaged);
  EXPECT_THAT(refused.what(), HasSubstr(directory.string()));
}

TEST_F(GivenAStoreThatWasNotClosed, WhenTheMarkerIsOfANewerFormatThenItSaysSo) {
  const fs::path directory = found();
  overwrite(directory / "NEPHRITE", "Nephrite object store, format 2\n");
  const StoreException refused = failureOf([&] { open(directory); });
  EXPECT_EQ(refused.reason(), Reason::WrongFormat);
  EXPECT_THAT(refused.what(), HasSubstr("use the program that wrote it"));
}

TEST(StoreDirectory, WhenItHoldsForeignFilesThenTheyAreLeftAlone) {
  TempDirectory directory;
  overwrite(directory / "letter.txt", "Dear Anna");
  EXPECT_EQ(failureOf([&] { ObjectStore::open({.directory = directory.path()}); }).reason(),
            Reason::WrongFormat);
  EXPECT_EQ(contentOf(directory / "letter.txt"), "Dear Anna");
}

TEST(StoreDirectory, WhenItCannotBeMadeThenThePathIsNamed) {
  TempDirectory directory;
  overwrite(directory / "file", "");
  const fs::path path = directory / "file" / "store";
  const StoreException refused = failureOf([&] { ObjectStore::open({.directory = path}); });
  EXPECT_EQ(refused.reason(), Reason::NotUsable);
  EXPECT_THAT(refused.what(), HasSubstr(path.string()));
}

TEST_F(GivenAStoreThatWasNotClosed, WhenMakingAStoreWasInterruptedThenItIsMadeAnew) {
  const fs::path directory = found();
  fs::rename(directory / "NEPHRITE", directory / "NEPHRITE.new");
  const auto store = open(directory);
  EXPECT_TRUE(store->schema()->classes().empty());
  EXPECT_TRUE(fs::exists(directory / "NEPHRITE"));
  EXPECT_FALSE(fs::exists(directory / "NEPHRITE.new"));
}

}  // namespace
}  // namespace nephrite
