#pragma once

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
/// Threads: any.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

/// Lines below `level` are dropped. Default: Info.
void setLogLevel(LogLevel level);

}  // namespace nephrite
