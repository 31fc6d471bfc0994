// tests/fuzz/wire_*_corpus holds one of each message, to start fuzzing from, and to see that the
// bytes of a message stay what they are.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "node/wire/frame.h"
#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

void expectFile(const std::string& name, const std::string& bytes) {
  const auto path = std::filesystem::path(NEPHRITE_SOURCE_DIR) / "tests/fuzz" / name;
  if (std::getenv("NEPHRITE_WRITE_CORPUS") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::ifstream in(path, std::ios::binary);
  const std::string found{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(found == bytes)
      << path << " holds other bytes than are sent now. Can the other side still read them? Then "
      << "run this test once with NEPHRITE_WRITE_CORPUS=1.";
}

TEST(Corpus, OfTheServersFuzzTargetIsWhatClientsSend) {
  std::string frames;
  std::uint64_t number = 0;
  for (const FromClient& message : fullMessagesOfClient()) {
    const auto type = static_cast<fb::FromClient>(message.index() + 1);
    const std::string bytes = encode(message, kNow);
    expectFile(std::string("wire_server_corpus/") + fb::EnumNameFromClient(type), bytes);
    if (bytes.size() < 200) frames += frameBytes({0, ++number, 0}, bytes);
  }
  for (const FromClient& message : fullMessagesOfClient()) {
    if (const auto* const lock = std::get_if<Lock>(&message)) {
      Lock plain = *lock;
      plain.order.order.request.lease = {};
      plain.order.order.request.scope = LockScope::Node;
      expectFile("wire_server_corpus/ShortLock", std::string(encodeShort(plain)));
    } else if (const auto* const unlock = std::get_if<Unlock>(&message)) {
      expectFile("wire_server_corpus/ShortUnlock", std::string(encodeShort(*unlock)));
    }
  }
  expectFile("wire_server_corpus/ShortLockAll", std::string(*encodeShort(exampleLocks())));
  expectFile("wire_server_corpus/frames", frames);
}

TEST(Corpus, OfTheClientsFuzzTargetIsWhatServersSend) {
  std::string frames;
  std::uint64_t number = 0;
  for (const FromServer& message : fullMessagesOfServer()) {
    const auto type = static_cast<fb::FromServer>(message.index() + 1);
    const std::string bytes = encode(message, kNow);
    expectFile(std::string("wire_client_corpus/") + fb::EnumNameFromServer(type), bytes);
    if (bytes.size() < 200) frames += frameBytes({0, ++number, 0}, bytes);
  }
  expectFile("wire_client_corpus/ShortGrant", std::string(*encodeShort(exampleGrant(), kNow)));
  expectFile("wire_client_corpus/ShortGrants", std::string(*encodeShort(exampleGrants(), kNow)));
  expectFile("wire_client_corpus/frames", frames);
}

}  // namespace
}  // namespace nephrite::wire
