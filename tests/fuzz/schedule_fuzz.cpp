// Any bytes are a schedule or an error that names a line of theirs. What is a schedule is played,
// in so many steps as it has lines, and each event is one line of JSON.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>

#include "base/check.h"
#include "node/schedule/replay.h"
#include "node/schedule/schedule.h"

namespace {

using namespace nephrite;

constexpr std::size_t kMostLines = 40;  // Of those that are played: each starts a system in memory.

/// The lines that say something; -1 when the text is none of ours.
int linesOf(const std::string& text) {
  std::istringstream in(text);
  ScheduleReader reader(in);
  const auto end = std::count(text.begin(), text.end(), '\n') + 1;
  int lines = 0;
  int last = 0;
  try {
    while (const auto line = reader.next()) {
      NEPHRITE_CHECK(line->number > last && line->number <= end);
      last = line->number;
      ++lines;
    }
    return lines;
  } catch (const ScheduleError& error) {
    NEPHRITE_CHECK(error.line() > last && error.line() <= end);
    const std::string what = error.what();
    NEPHRITE_CHECK(what.starts_with("line " + std::to_string(error.line()) + ": "));
    // What a stranger wrote cannot act on the terminal, nor make the message long.
    NEPHRITE_CHECK(what.size() < 1000);
    NEPHRITE_CHECK(
        std::all_of(what.begin(), what.end(), [](char c) { return c >= ' ' && c < 127; }));
    return -1;
  }
}

void play(const std::string& text) {
  std::istringstream in(text);
  std::ostringstream events, errors;
  const int status = replay(in, events, errors);
  NEPHRITE_CHECK(status == (errors.str().empty() ? 0 : 2));
  std::istringstream lines(events.str());
  for (std::string event; std::getline(lines, event);) {
    NEPHRITE_CHECK(event.starts_with("{\"line\":") && event.ends_with("}"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const int lines = linesOf(text);
  if (lines >= 0 && static_cast<std::size_t>(lines) <= kMostLines) play(text);
  return 0;
}
