// docs/wire.md shows bytes, and they are those that are sent; its tables name every message.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "node/wire/frame.h"
#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

std::vector<std::string> linesOfTheDocument() {
  std::ifstream in(NEPHRITE_SOURCE_DIR "/docs/wire.md");
  EXPECT_TRUE(in) << "docs/wire.md is gone";
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The blocks between lines of three backquotes.
std::vector<std::string> blocksOf(const std::vector<std::string>& lines) {
  std::vector<std::string> blocks;
  bool inside = false;
  for (const std::string& line : lines) {
    if (line == "```") {
      inside = !inside;
      if (inside) blocks.emplace_back();
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

std::string dumpOf(const std::string& bytes) {
  std::string dump;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    char text[24];
    if (at % 16 == 0) {
      std::snprintf(text, sizeof text, "%04zx ", at);
      dump += text;
    }
    std::snprintf(text, sizeof text, " %02x", static_cast<unsigned char>(bytes[at]));
    dump += text;
    if (at % 16 == 15 || at + 1 == bytes.size()) dump += "\n";
  }
  return dump;
}

TEST(WireDocument, ShowsTheBytesThatAreSent) {
  const auto blocks = blocksOf(linesOfTheDocument());

  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0], dumpOf(frameBytes({}, encode(FromClient(exampleHello()), kNow))));
  EXPECT_EQ(blocks[1], dumpOf(encode(FromClient(exampleLock()), kNow)));
}

TEST(WireDocument, NamesEveryMessageWithItsNumber) {
  const auto lines = linesOfTheDocument();
  const auto expectRow = [&](unsigned number, const std::string& name) {
    const std::string row = "| " + std::to_string(number) + " | `" + name + "` |";
    const auto isRow = [&](const std::string& line) { return line.starts_with(row); };
    EXPECT_EQ(std::count_if(lines.begin(), lines.end(), isRow), 1) << row;
  };
  for (unsigned n = 1; n <= static_cast<unsigned>(fb::FromClient::MAX); ++n) {
    expectRow(n, fb::EnumNameFromClient(static_cast<fb::FromClient>(n)));
  }
  for (unsigned n = 1; n <= static_cast<unsigned>(fb::FromServer::MAX); ++n) {
    expectRow(n, fb::EnumNameFromServer(static_cast<fb::FromServer>(n)));
  }
}

}  // namespace
}  // namespace nephrite::wire
