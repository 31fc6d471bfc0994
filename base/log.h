#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace nephrite {

enum class LogLevel { Debug, Info, Warning, Error };

/// One `key=value` of a log line. Values with blanks are quoted when written.
struct LogField {
  std::string_view key;
  std::string value;
};

/// Writes one line to standard error: time, level, event, then `key=value` pairs.
/// `event` is a stable name that operators can search for, such as "store.opened".
///
/// Waits:   for nothing: a thread of its own writes. Of what a reader does not take 1 MiB is kept,
///          the newest lines; "log.dropped" says how many are missing. An event that comes again
///          and again is held back, and counted, but for a burst and then a line a second
///          ("log.held_back"); not so at level Debug.
/// Signals: a reader that is gone ends nobody (BackgroundWriter).
/// Threads: any.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

/// Lines below `level` are dropped. Default: Info.
void setLogLevel(LogLevel level);

/// Says now what the log has held back for a while; else the next line does.
void tellHeldBackLines();

/// Waits until what was logged before this call is written, at most so long; false when it is not.
/// The end of the program does that, for a second.
bool flushLog(std::chrono::milliseconds longest);

/// Lines so far that could not be written.
std::uint64_t logLinesDropped();

}  // namespace nephrite
