#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/background_writer.h"
#include "base/clock.h"
#include "base/log_limit.h"
#include "base/plain_text.h"

namespace nephrite {
namespace {

constexpr std::size_t kLongestLine = 64u << 10;

std::string_view nameOf(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warning: return "warning";
    case LogLevel::Error: return "error";
  }
  return "error";
}

std::string lineOf(LogLevel level, std::string_view text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(SystemClock::instance().wallNow());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {} {}{}\n",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (now - seconds).count(), nameOf(level), text.substr(0, kLongestLine),
                     text.size() > kLongestLine ? "..." : "");
}

std::string aboutGap(std::uint64_t dropped) {
  return lineOf(LogLevel::Warning, fmt::format("log.dropped lines={}", dropped));
}

std::atomic<LogLevel> lowestLevel{LogLevel::Info};

// Both are leaked on purpose: threads may still log while statics are destroyed.
LogLimit& limit() {
  static LogLimit* const instance = new LogLimit();
  return *instance;
}

BackgroundWriter& writer() {
  static BackgroundWriter* const instance = [] {
    auto* const made = new BackgroundWriter({.descriptor = STDERR_FILENO, .gap = aboutGap});
    ::pthread_atfork([] { writer().beforeFork(); }, [] { writer().afterForkInParent(); },
                     [] { writer().afterForkInChild(); });
    std::atexit([] { flushLog(std::chrono::seconds(1)); });
    return made;
  }();
  return *instance;
}

bool needsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"=") != std::string_view::npos ||
         !isPlainText(value);
}

void appendQuoted(std::string& line, std::string_view value) {
  line += '"';
  appendPlainText(line, value, "\"\\");
  line += '"';
}

}  // namespace

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < lowestLevel.load(std::memory_order_relaxed)) return;
  // Debug lines are never held back: that level is for seeing everything.
  if (level > LogLevel::Debug && !limit().admits(event, SystemClock::instance().now())) return;
  tellHeldBackLines();
  std::string text(event);
  for (const LogField& field : fields) {
    text.append(" ").append(field.key).append("=");
    if (needsQuotes(field.value)) {
      appendQuoted(text, field.value);
    } else {
      text += field.value;
    }
  }
  writer().write(lineOf(level, text));
}

void setLogLevel(LogLevel level) { lowestLevel = level; }

void tellHeldBackLines() {
  while (const auto held = limit().takeHeldBack(SystemClock::instance().now())) {
    writer().write(lineOf(LogLevel::Warning, fmt::format("log.held_back event={} lines={}",
                                                         held->event, held->lines)));
  }
}

bool flushLog(std::chrono::milliseconds longest) { return writer().flush(longest); }

std::uint64_t logLinesDropped() { return writer().dropped(); }

}  // namespace nephrite
