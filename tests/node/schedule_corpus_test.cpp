// Runs the fuzz target without a fuzzer: its corpus, and seeded mutations of it.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/schedule_fuzz.cpp"

namespace {

int run(const std::string& text) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

TEST(ScheduleCorpus, HoldsTheFuzzTargetsPropertyMutatedToo) {
  std::vector<std::string> corpus;
  for (const auto& entry :
       std::filesystem::directory_iterator(NEPHRITE_SOURCE_DIR "/tests/fuzz/schedule_corpus")) {
    std::ifstream in(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    EXPECT_EQ(run(corpus.back()), 0) << entry.path();
  }
  ASSERT_GE(corpus.size(), 5u);

  constexpr std::string_view kPieces("AX1- #=\t\r\n\0\xEF\xBB\xBF\xFF\xFE", 16);
  std::mt19937 random(4711);
  for (int round = 0; round < 2000; ++round) {
    std::string text = corpus[random() % corpus.size()];
    for (auto changes = random() % 6; changes > 0; --changes) {
      const auto at = random() % (text.size() + 1);
      if (random() % 3 == 0) {
        text.erase(at, random() % 5);
      } else {
        text.insert(at, 1, kPieces[random() % kPieces.size()]);
      }
    }
    EXPECT_EQ(run(text), 0) << "round " << round;
  }
}

}  // namespace
