#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace nephrite {

/// A fuzz target without a fuzzer: what its corpus is mutated by, and how often.
struct MutatedCorpus {
  std::string folder;       ///< Below tests/fuzz.
  std::string_view pieces;  ///< One is put in at a time.
  unsigned rounds = 0;
  unsigned changes = 0;  ///< One input of a round has fewer.
};

/// `target` takes each file of the corpus, and seeded mutations of them, and answers 0.
inline void expectToHold(const MutatedCorpus& given,
                         int (*target)(const std::uint8_t* data, std::size_t size)) {
  const auto run = [&](const std::string& text) {
    return target(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  std::vector<std::string> corpus;
  for (const auto& entry :
       std::filesystem::directory_iterator(NEPHRITE_SOURCE_DIR "/tests/fuzz/" + given.folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    EXPECT_EQ(run(corpus.back()), 0) << entry.path();
  }
  ASSERT_GE(corpus.size(), 5u);

  std::mt19937 random(4711);
  for (unsigned round = 0; round < given.rounds; ++round) {
    std::string text = corpus[random() % corpus.size()];
    for (auto changes = random() % given.changes; changes > 0; --changes) {
      const auto at = random() % (text.size() + 1);
      if (random() % 3 == 0) {
        text.erase(at, random() % 5);
      } else {
        text.insert(at, 1, given.pieces[random() % given.pieces.size()]);
      }
    }
    EXPECT_EQ(run(text), 0) << "round " << round;
  }
}

}  // namespace nephrite
