// What a server node does with bytes from a client: as a message, and as a stream of frames that
// comes in two pieces. What decodes makes sense, so it can be sent again and is then the same.

#include <algorithm>
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
  sendAgain(bytes, [](auto given) { return wire::decodeFromClient(given, kNow); });
}

void readFrames(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  wire::FrameReader reader(4096);
  wire::SessionStream stream(1024);
  const std::size_t cut = std::min<std::size_t>(bytes[0], bytes.size());
  try {
    for (const auto part : {bytes.first(cut), bytes.subspan(cut)}) {
      reader.append(part);
      while (const auto frame = reader.next()) {
        NEPHRITE_CHECK(frame->message.size() <= 4096);
        if (stream.received(frame->header) == wire::SessionStream::Arrival::New) {
          decodeAndBack(frame->message);
        }
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
