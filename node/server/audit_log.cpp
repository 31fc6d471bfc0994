#include "node/server/audit_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/plain_text.h"
#include "base/thread_without_signals.h"
#include "node/local/start_check.h"

namespace nephrite {
namespace {

constexpr std::chrono::seconds kTriedAgainAfter{1};
constexpr std::chrono::seconds kLongestFarewell{1};
constexpr std::chrono::seconds kHangs{2};  ///< A disk takes less for a line.

int opened(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    struct stat found {};
    if (::fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode)) ::fchmod(descriptor, 0600);
    return descriptor;
  }
  refuseStart("opening the audit log " + file.string() + " ([NephriteServer] AuditLog)",
              {errno, std::generic_category()});
}

}  // namespace

struct AuditLog::Queue {
  explicit Queue(const std::filesystem::path& file) : path(file), descriptor(opened(file)) {}
  ~Queue() { ::close(descriptor); }

  void run() NEPHRITE_EXCLUDES(mutex);
  /// 0, or why the rest of `line`, from `begin` on, was not taken.
  int append(std::string_view line, std::size_t& begin) const;
  void tellNotWritten(const std::string& line, const std::string& why) const {
    log(LogLevel::Error, "audit.not_written",
        {{"file", path.string()}, {"why", why}, {"line", line}});
  }

  const std::filesystem::path path;
  const int descriptor;
  Mutex mutex;  // A leaf.
  CondVar changed;
  std::deque<std::string> lines NEPHRITE_GUARDED_BY(mutex);  // The first is being written.
  Instant firstSince NEPHRITE_GUARDED_BY(mutex){};
  int failed NEPHRITE_GUARDED_BY(mutex) = 0;  // Why the first was not taken.
  bool ends NEPHRITE_GUARDED_BY(mutex) = false;
  bool ended NEPHRITE_GUARDED_BY(mutex) = false;
};

int AuditLog::Queue::append(std::string_view line, std::size_t& begin) const {
  while (begin < line.size()) {
    const ssize_t written = ::write(descriptor, line.data() + begin, line.size() - begin);
    if (written > 0) {
      begin += static_cast<std::size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      return written == 0 ? EIO : errno;
    }
  }
  // What is no file on a disk (a pipe, /dev/null) cannot be brought there.
  if (::fdatasync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP) return 0;
  return errno;
}

void AuditLog::Queue::run() {
  std::size_t begin = 0;  // Of the first line: what is not written yet.
  bool told = false;      // In the log, that it is not.
  for (;;) {
    std::string line;
    {
      MutexLock hold(mutex);
      while (lines.empty() && !ends) changed.wait(mutex);
      if (lines.empty()) break;
      line = lines.front();
    }
    const int why = append(line, begin);
    if (why != 0 && !std::exchange(told, true)) tellNotWritten(line, std::strerror(why));
    MutexLock hold(mutex);
    failed = why;
    if (why == 0) {
      begin = 0;
      told = false;
      firstSince = SystemClock::instance().now();
      if (!lines.empty()) lines.pop_front();
      continue;
    }
    if (ends) break;
    changed.waitFor(mutex, kTriedAgainAfter);
  }
  MutexLock hold(mutex);
  ended = true;
  changed.notifyAll();
}

AuditLog::AuditLog(const std::filesystem::path& file, const Clock& clock)
    : clock_(clock), queue_(std::make_shared<Queue>(file)) {
  threadWithoutSignals([queue = queue_] { queue->run(); }).detach();
}

AuditLog::~AuditLog() {
  const Clock& real = SystemClock::instance();
  const Instant until = real.now() + kLongestFarewell;
  std::deque<std::string> left;
  {
    Queue& queue = *queue_;
    MutexLock hold(queue.mutex);
    queue.ends = true;
    queue.changed.notifyAll();
    while (!queue.ended && real.now() < until)
      queue.changed.waitFor(queue.mutex, until - real.now());
    left.swap(queue.lines);
  }
  for (const std::string& line : left) queue_->tellNotWritten(line, "the server has ended");
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
  MutexLock hold(queue_->mutex);
  if (queue_->lines.empty()) queue_->firstSince = SystemClock::instance().now();
  queue_->lines.push_back(boost::json::serialize(line) + "\n");
  queue_->changed.notifyAll();
}

std::string AuditLog::trouble() const {
  const Instant now = SystemClock::instance().now();
  MutexLock hold(queue_->mutex);
  if (queue_->lines.empty()) return {};
  const std::string file = "the audit log " + queue_->path.string();
  const std::string after =
      "; what is done by force must be audited. Mend that, and try again in a second";
  if (queue_->failed != 0) {
    return file + " cannot be written: " + std::strerror(queue_->failed) + after;
  }
  if (now - queue_->firstSince < kHangs) return {};
  return file + " has not taken a line for " +
         std::to_string(
             std::chrono::floor<std::chrono::seconds>(now - queue_->firstSince).count()) +
         " s" + after;
}

}  // namespace nephrite
