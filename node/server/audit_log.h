#pragma once

// Private to node.

#include <filesystem>
#include <fstream>

#include "node/server/server_sessions.h"

namespace nephrite {

/// What operators did by force, one line of JSON each, appended to a file that is never shortened.
/// Errors:  the file cannot be opened: std::system_error. A line that cannot be written goes to the
///          log, with the reason.
/// Threads: one.
class AuditLog {
 public:
  AuditLog(const std::filesystem::path& file, const Clock& clock);
  void write(const AuditEntry& entry);

 private:
  const std::filesystem::path path_;
  const Clock& clock_;
  std::ofstream file_;
};

}  // namespace nephrite
