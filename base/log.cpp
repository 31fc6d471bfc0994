#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/plain_text.h"

namespace nephrite {
namespace {

spdlog::level::level_enum toSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warning: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  // Leaked on purpose: threads may still log while statics are destroyed.
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("nephrite", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
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
  if (!logger().should_log(toSpdlog(level))) return;
  std::string line(event);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    if (needsQuotes(field.value)) {
      appendQuoted(line, field.value);
    } else {
      line += field.value;
    }
  }
  logger().log(toSpdlog(level), "{}", line);
}

void setLogLevel(LogLevel level) { logger().set_level(toSpdlog(level)); }

}  // namespace nephrite
