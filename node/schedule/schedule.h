#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nephrite {

/// What a step does. The words of the file are the names in camelCase.
enum class ScheduleVerb {
  SharedLock,
  ReserveLock,
  UpdateLock,
  ExclusiveLock,
  Lock,
  TryLock,
  Unlock,
  Update,
  Read,
  Begin,
  Commit,
  Abort,
  BeginLoad,
  EndLoad,
  BeginLock,
  EndLock,
  SetDefaultLockTimeout,
  Write,
  GatedRead,
  Renew,
  SignOff,
  Locks
};

/// `share|reserve|update|exclusive` of the file, by strength; not the numbers of the lock manager.
enum class ScheduleLockType { Share, Reserve, Update, Exclusive };

/// `transaction|session` of the file.
enum class ScheduleDuration { Transaction, Session };

/// `KEY` of a `setting` line.
enum class ScheduleSetting {
  ServerTimeout,
  BackgroundProcessServerTimeout,
  DoubleDeadlockException,
  DeadlockVictim,
  DeadlockSeed,
  MaxLockers,
  MaxLocks,
  MaxLockedObjects
};

/// Values of `setting DeadlockVictim`: which of the lowest priority is refused.
enum class ScheduleVictim {
  Requester,
  Youngest,
  Oldest,
  FewestLocks,
  MostLocks,
  FewestWriteLocks,
  MostWriteLocks,
  Random
};

/// `process NAME [background] [priority=N] [timeout=MS] [updateLocks] [parent=NAME]`
struct ProcessLine {
  std::string name;
  bool background = false;
  std::int32_t priority = 0;            ///< Deadlock priority.
  std::optional<std::int32_t> timeout;  ///< Process default, ms or special value; as written.
  bool updateLocks = false;
  std::string parent;  ///< Empty: none.
};

/// `object NAME [at PATH]`
struct ObjectLine {
  static constexpr std::size_t kMostNames = 64;     ///< In a path.
  static constexpr std::size_t kLongestName = 255;  ///< In a path; bytes.

  std::string name;
  std::string path = {};  ///< From the root: "/mixer/fader". Empty: it has no place.

  /// The path of what it is below, "/" for the root. Only of one that has a place.
  std::string parentPath() const;
};

/// `resource NAME`: locked like an object.
struct ResourceLine {
  std::string name;
};

/// `setting KEY=VALUE`
struct SettingLine {
  ScheduleSetting key{};
  /// Timeouts: milliseconds, at least 1. DoubleDeadlockException: 0 or 1. DeadlockVictim: the
  /// number of a ScheduleVictim. Others: never negative; a limit of 0 is none.
  std::int32_t value = 0;
};

/// `advance MS`
struct AdvanceLine {
  std::int64_t milliseconds = 0;  ///< Never negative.
};

/// `NAME verb arguments`
struct StepLine {
  std::string process;
  ScheduleVerb verb{};
  std::string object;           ///< Or a resource; a name or a path. Empty when the verb has none.
  ScheduleLockType type{};      ///< Of `lock` and `tryLock`; else unused.
  ScheduleDuration duration{};  ///< Of `lock` and `tryLock`; else unused.
  std::int32_t timeout = 0;     ///< Of `lock`, `tryLock` and `setDefaultLockTimeout`; as written.
  bool subtree = false;         ///< Of the lock verbs: the scope.
  std::optional<std::int32_t> lease;  ///< Of the lock verbs: milliseconds, at least 1.
  bool inherit = false;               ///< Of `signOff`: its locks go to the parent.
};

/// One line that says something, and where it stood (blank and comment lines count).
struct ScheduleLine {
  int number = 0;
  std::variant<ProcessLine, ObjectLine, ResourceLine, SettingLine, AdvanceLine, StepLine> content;
};

/// A whole schedule, in the order of the file.
struct Schedule {
  std::vector<ScheduleLine> lines;
};

/// A line that cannot be understood or obeyed. what() is `line N: ` and what was expected there.
class ScheduleError : public std::runtime_error {
 public:
  ScheduleError(int line, const std::string& message);
  int line() const noexcept { return line_; }

 private:
  int line_;
};

/// What a schedule calls the root, of which every path begins.
inline constexpr std::string_view kScheduleRoot = "/";

/// Reads a lock schedule line by line, so that what stands before a bad line can be run.
///
/// Shape:   forms only. Whether a name is known, a process waits or has signed off is for the
///          code that runs the schedule to find out.
/// Units:   milliseconds. Timeouts and priorities are 32 bits with a sign. The clock of one
///          schedule ends at kLastInstant; an `advance` beyond that is an error.
/// Errors:  ScheduleError from next(); the reader is then of no further use.
/// Threads: one.
/// Source:  docs/schedule.md.
class ScheduleReader {
 public:
  /// Some 285 years: what a clock counting nanoseconds in 64 bits can hold, and room for a timeout.
  static constexpr std::int64_t kLastInstant = 9'000'000'000'000;

  /// `schedule` must outlive this.
  explicit ScheduleReader(std::istream& schedule) : schedule_(schedule) {}

  /// The next line that says something; nothing at the end of the file.
  std::optional<ScheduleLine> next();

 private:
  void checkEncoding(std::string& text) const;

  std::istream& schedule_;
  int number_ = 0;
  std::int64_t clock_ = 0;
};

/// All lines at once. Throws ScheduleError for the first bad one.
Schedule parseSchedule(std::istream& schedule);

/// The word of the file.
std::string_view scheduleWord(ScheduleVerb verb);
std::string_view scheduleWord(ScheduleLockType type);
std::string_view scheduleWord(ScheduleDuration duration);
std::string_view scheduleWord(ScheduleSetting setting);
std::string_view scheduleWord(ScheduleVictim victim);

/// Whether lines and events of `verb` name an object or a resource.
bool hasObject(ScheduleVerb verb);

/// Whether `verb` asks for a lock by name: it may have a scope and a lease, and a resource in place
/// of an object.
bool isLockVerb(ScheduleVerb verb);

}  // namespace nephrite
