#include "node/server/audit_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "base/plain_text.h"

namespace nephrite {

AuditLog::AuditLog(const std::filesystem::path& file, const Clock& clock)
    : path_(file), clock_(clock), file_(file, std::ios::app) {
  if (!file_) {
    throw std::system_error(
        errno, std::generic_category(),
        "opening the audit log " + file.string() + " ([NephriteServer] AuditLog)");
  }
  std::filesystem::permissions(
      file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

void AuditLog::write(const AuditEntry& entry) {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wallNow());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const boost::json::object line{
      {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds))},
      {"verb", entry.verb},
      {"object", entry.object},
      {"process", entry.process.locker.value},
      {"name", plainText(entry.process.name)},
      {"user", plainText(entry.process.user)},
      {"node", plainText(entry.process.node)},
      {"by", plainText(entry.by.user)},
      {"reason", plainText(entry.by.reason)},
      {"from", entry.address},
      {"done", entry.done},
  };
  const std::string text = boost::json::serialize(line);
  file_ << text << '\n' << std::flush;
  if (file_) return;
  file_.clear();
  log(LogLevel::Error, "audit.not_written", {{"file", path_.string()}, {"line", text}});
}

}  // namespace nephrite
