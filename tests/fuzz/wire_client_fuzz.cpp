// What a client node does with bytes from a server: as a message, and as a stream of frames that
// comes byte by byte. What decodes makes sense, so it can be sent again and is then the same.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "node/wire/frame.h"
#include "tests/fuzz/send_again.h"

namespace {

using namespace nephrite;

void decodeAndBack(std::span<const std::uint8_t> bytes) {
  sendAgain(bytes, [](auto given) { return wire::decodeFromServer(given, kNow); });
}

void readFrames(std::span<const std::uint8_t> bytes) {
  wire::FrameReader reader(4096);
  try {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      reader.append(bytes.subspan(at, 1));
      while (const auto frame = reader.next()) {
        NEPHRITE_CHECK(frame->message.size() == frame->header.length);
        decodeAndBack(frame->message);
      }
    }
  } catch (const wire::WireError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  decodeAndBack({data, size});
  readFrames({data, size});
  return 0;
}
