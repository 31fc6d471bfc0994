#pragma once

// Private to node.

#include <filesystem>
#include <memory>
#include <string>

#include "node/server/server_sessions.h"

namespace nephrite {

/// What operators did by force, one line of JSON each, appended to a file that is never shortened.
///
/// Waits:   write() for nothing: a thread of its own writes the lines, in their order, and asks the
///          system to have them on the disk.
/// Lost:    nothing while the server runs. A line that the file does not take goes to the log at
///          once (audit.not_written), stays queued and is tried again each second. Until it is
///          written, trouble() says why, and the server refuses what would have to be audited: so
///          the queue stays short. What is queued at the end goes to the log, too, when the file
///          does not take it within a second.
/// Errors:  the file cannot be opened: IniError or std::system_error (refuseStart()).
/// Threads: any.
class AuditLog {
 public:
  AuditLog(const std::filesystem::path& file, const Clock& clock);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void write(const AuditEntry& entry);
  /// Why the file takes no lines now, and what to do; empty when it does.
  std::string trouble() const;

 private:
  struct Queue;
  const Clock& clock_;
  const std::shared_ptr<Queue> queue_;  // The thread has it, too, and may outlive this.
};

}  // namespace nephrite
