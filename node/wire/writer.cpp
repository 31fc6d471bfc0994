#include "node/wire/writer.h"

#include <algorithm>
#include <limits>
#include <string>

#include "objects/text.h"

namespace nephrite::wire {

Writer& writer(Instant now) {
  thread_local Writer mine;
  // A thread that sent much once need not keep it.
  constexpr std::size_t kKept = std::size_t{256} * 1024;
  if (mine.builder.GetSize() > kKept) {
    mine.builder.Reset();
  } else {
    mine.builder.Clear();
  }
  mine.now = now;
  return mine;
}

At<flatbuffers::String> packText(Writer& w, std::string_view text) {
  if (text.empty()) return 0;
  return w.builder.CreateString(text.data(), text.size());
}

At<flatbuffers::String> packName(Writer& w, std::string_view name, std::string_view what) {
  if (const auto bad = findInvalidUtf8(name)) {
    throw WireError(std::string(what) + " is not UTF-8 at byte " + std::to_string(*bad));
  }
  return packText(w, name);
}

std::int64_t ageOf(Instant at, Instant now) { return std::max(now - at, Duration::zero()).count(); }

std::int64_t microsecondsOf(WallTime at) {
  return std::chrono::floor<std::chrono::microseconds>(at.time_since_epoch()).count();
}

std::int32_t numberOf(LockTimeout timeout) {
  if (timeout.isProcessDefined()) return LockTimeout::kServerDefined;
  return timeout.isImmediate() ? LockTimeout::kImmediate : timeout.number();
}

std::int32_t millisecondsOf(std::chrono::milliseconds wait) {
  using Number = std::int32_t;
  const std::int64_t most = std::numeric_limits<Number>::max();
  return static_cast<Number>(std::clamp<std::int64_t>(wait.count(), 0, most));
}

std::int32_t millisecondsOf(std::optional<std::chrono::milliseconds> wait) {
  return wait ? millisecondsOf(*wait) : -1;
}

}  // namespace nephrite::wire
