#include "node/schedule/schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <istream>
#include <limits>
#include <stdexcept>
#include <system_error>

#include "objects/text.h"

namespace nephrite {
namespace {

using Words = std::vector<std::string_view>;

enum class Arguments { None, Object, Lock, LockRequest, Milliseconds, SignOff };

struct VerbForm {
  std::string_view word;
  Arguments arguments;
};

// In the order of ScheduleVerb.
constexpr std::array<VerbForm, 22> kVerbs{{
    {"sharedLock", Arguments::Lock},
    {"reserveLock", Arguments::Lock},
    {"updateLock", Arguments::Lock},
    {"exclusiveLock", Arguments::Lock},
    {"lock", Arguments::LockRequest},
    {"tryLock", Arguments::LockRequest},
    {"unlock", Arguments::Object},
    {"update", Arguments::Object},
    {"read", Arguments::Object},
    {"begin", Arguments::None},
    {"commit", Arguments::None},
    {"abort", Arguments::None},
    {"beginLoad", Arguments::None},
    {"endLoad", Arguments::None},
    {"beginLock", Arguments::None},
    {"endLock", Arguments::None},
    {"setDefaultLockTimeout", Arguments::Milliseconds},
    {"write", Arguments::Object},
    {"gatedRead", Arguments::Object},
    {"renew", Arguments::Object},
    {"signOff", Arguments::SignOff},
    {"locks", Arguments::Object},
}};
constexpr std::array<std::string_view, 4> kTypes{"share", "reserve", "update", "exclusive"};
constexpr std::array<std::string_view, 2> kDurations{"transaction", "session"};
constexpr std::array<std::string_view, 8> kSettings{"ServerTimeout",
                                                    "BackgroundProcessServerTimeout",
                                                    "DoubleDeadlockException",
                                                    "DeadlockVictim",
                                                    "DeadlockSeed",
                                                    "MaxLockers",
                                                    "MaxLocks",
                                                    "MaxLockedObjects"};
constexpr std::array<std::string_view, 8> kVictims{
    "Requester", "Youngest",         "Oldest",         "FewestLocks",
    "MostLocks", "FewestWriteLocks", "MostWriteLocks", "Random"};
constexpr std::array<std::string_view, 5> kDirectives{"process", "object", "resource", "setting",
                                                      "advance"};

constexpr std::string_view kBlanks = " \t\r\v\f";

std::string_view argumentsForm(Arguments arguments) {
  switch (arguments) {
    case Arguments::None: return "";
    case Arguments::Object: return " OBJECT";
    case Arguments::Lock: return " OBJECT [subtree] [lease=MS]";
    case Arguments::LockRequest:
      return " OBJECT share|reserve|update|exclusive transaction|session MS [subtree] [lease=MS]";
    case Arguments::Milliseconds: return " MS";
    case Arguments::SignOff: return " [inherit]";
  }
  return "";
}

std::size_t countOf(Arguments arguments) {
  switch (arguments) {
    case Arguments::None:
    case Arguments::SignOff: return 0;
    case Arguments::Object:
    case Arguments::Lock: return 1;
    case Arguments::LockRequest: return 4;
    case Arguments::Milliseconds: return 1;
  }
  return 0;
}

/// In quotes, short, and harmless on a terminal.
std::string inQuotes(std::string_view word) {
  constexpr std::size_t kLongest = 40;
  std::string out = "'";
  for (const char c : word.substr(0, kLongest)) out += c > ' ' && c < 127 ? c : '?';
  if (word.size() > kLongest) out += "...";
  return out + "'";
}

template <std::size_t N>
std::string listed(const std::array<std::string_view, N>& words) {
  std::string out;
  for (const std::string_view word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

template <typename Enum, std::size_t N>
std::optional<Enum> among(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

Words split(std::string_view text) {
  text = text.substr(0, text.find('#'));
  Words words;
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

/// One line on its way from words to a ScheduleLine.
class LineParser {
 public:
  LineParser(int number, Words words) : number_(number), words_(std::move(words)) {}

  ScheduleLine parse() const {
    if (words_[0] == "process") return {number_, process()};
    if (words_[0] == "object") return {number_, object()};
    if (words_[0] == "resource") return {number_, resource()};
    if (words_[0] == "setting") return {number_, setting()};
    if (words_[0] == "advance") return {number_, advance()};
    return {number_, step()};
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ScheduleError(number_, message);
  }

  void expectWords(std::size_t count, const std::string& form) const {
    if (words_.size() < count) fail("too short; expected '" + form + "'");
    if (words_.size() > count) {
      fail(inQuotes(words_[count]) + " is too much; expected '" + form + "'");
    }
  }

  // Any text that JSON can repeat.
  std::string name(std::string_view word) const {
    const auto control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; };
    if (std::any_of(word.begin(), word.end(), control)) {
      fail(inQuotes(word) + " is not a name; it holds a control character");
    }
    try {
      normalizeText(word);
    } catch (const std::invalid_argument& bad) {
      fail(inQuotes(word) + " is not a name; expected UTF-8: " + bad.what());
    }
    return std::string(word);
  }

  std::string processName(std::string_view word) const {
    if (std::find(kDirectives.begin(), kDirectives.end(), word) != kDirectives.end()) {
      fail(inQuotes(word) + " begins a line of its own and cannot name a process");
    }
    return name(word);
  }

  template <typename Integer>
  Integer number(std::string_view word, Integer least, std::string_view what) const {
    Integer value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool whole = error == std::errc() && end == word.data() + word.size();
    if (whole && value >= least) return value;
    fail(inQuotes(word) + " is not " + std::string(what) + "; expected a whole number from " +
         std::to_string(least) + " to " + std::to_string(std::numeric_limits<Integer>::max()));
  }

  std::int32_t timeout(std::string_view word) const {
    return number(word, std::numeric_limits<std::int32_t>::min(), "a timeout in ms");
  }

  ProcessLine process() const {
    if (words_.size() < 2) {
      fail(
          "too short; expected 'process NAME [background] [priority=N] [timeout=MS] "
          "[updateLocks] [parent=NAME]'");
    }
    ProcessLine line;
    line.name = processName(words_[1]);
    for (std::size_t i = 2; i < words_.size(); ++i) option(line, i);
    return line;
  }

  void option(ProcessLine& line, std::size_t at) const {
    const std::string_view word = words_[at];
    const std::string_view key = word.substr(0, word.find('='));
    for (std::size_t i = 2; i < at; ++i) {
      if (words_[i].substr(0, words_[i].find('=')) == key) fail(inQuotes(key) + " is given twice");
    }
    if (word == "background") {
      line.background = true;
    } else if (word == "updateLocks") {
      line.updateLocks = true;
    } else if (word.starts_with("priority=")) {
      line.priority = number(word.substr(key.size() + 1), std::numeric_limits<std::int32_t>::min(),
                             "a deadlock priority");
    } else if (word.starts_with("timeout=")) {
      line.timeout = timeout(word.substr(key.size() + 1));
    } else if (word.starts_with("parent=")) {
      line.parent = name(word.substr(key.size() + 1));
      if (line.parent.empty()) fail("'parent=' names no process");
    } else {
      fail(inQuotes(word) +
           " is not an option of a process; expected background, priority=N, "
           "timeout=MS, updateLocks or parent=NAME");
    }
  }

  // Of what a step may name.
  std::string lockableName(std::string_view word) const {
    if (word == kScheduleRoot) fail("'/' is the root, which is there already; choose another name");
    return name(word);
  }

  ObjectLine object() const {
    const bool hasPlace = words_.size() > 2 && words_[2] == "at";
    expectWords(hasPlace ? 4 : 2, "object NAME [at PATH]");
    if (!hasPlace) return {lockableName(words_[1])};
    return {lockableName(words_[1]), path(words_[3])};
  }

  // From the root, each name as one may be given to an object.
  std::string path(std::string_view word) const {
    const std::string text = name(word);
    if (!text.starts_with('/')) fail(inQuotes(word) + " is not a path; expected '/NAME/NAME'");
    std::size_t names = 0;
    for (std::size_t begin = 1; begin <= text.size(); ++names) {
      const std::size_t end = std::min(text.find('/', begin), text.size());
      const std::string each = text.substr(begin, end - begin);
      if (each.empty() || each == "." || each == ".." || each.size() > ObjectLine::kLongestName) {
        fail(inQuotes(each) + " in the path " + inQuotes(word) + " names nothing; expected 1 to " +
             std::to_string(ObjectLine::kLongestName) + " bytes other than '.' and '..'");
      }
      begin = end + 1;
    }
    if (names > ObjectLine::kMostNames)
      fail(inQuotes(word) + " is too deep; expected at most " +
           std::to_string(ObjectLine::kMostNames) + " names in a path");
    return text;
  }

  ResourceLine resource() const {
    expectWords(2, "resource NAME");
    return {lockableName(words_[1])};
  }

  SettingLine setting() const {
    expectWords(2, "setting KEY=VALUE");
    const std::string_view word = words_[1];
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      fail(inQuotes(word) + " has no value; expected 'setting KEY=VALUE'");
    }
    const auto key = among<ScheduleSetting>(kSettings, word.substr(0, equals));
    if (!key) {
      fail("unknown setting " + inQuotes(word.substr(0, equals)) + "; expected one of " +
           listed(kSettings));
    }
    return {*key, valueOf(*key, word.substr(equals + 1))};
  }

  std::int32_t valueOf(ScheduleSetting key, std::string_view value) const {
    switch (key) {
      case ScheduleSetting::ServerTimeout:
      case ScheduleSetting::BackgroundProcessServerTimeout:
        return number<std::int32_t>(value, 1, "a default timeout in ms");
      case ScheduleSetting::DoubleDeadlockException:
        if (value != "true" && value != "false") {
          fail(inQuotes(value) + " is neither true nor false");
        }
        return value == "true" ? 1 : 0;
      case ScheduleSetting::DeadlockVictim: {
        const auto victim = among<ScheduleVictim>(kVictims, value);
        if (!victim) {
          fail(inQuotes(value) + " says of no victim; expected one of " + listed(kVictims));
        }
        return static_cast<std::int32_t>(*victim);
      }
      case ScheduleSetting::DeadlockSeed: return number<std::int32_t>(value, 0, "a seed");
      case ScheduleSetting::MaxLockers:
      case ScheduleSetting::MaxLocks:
      case ScheduleSetting::MaxLockedObjects: return number<std::int32_t>(value, 0, "a limit");
    }
    return 0;
  }

  AdvanceLine advance() const {
    expectWords(2, "advance MS");
    return {number<std::int64_t>(words_[1], 0, "a number of ms")};
  }

  StepLine step() const {
    StepLine line;
    line.process = name(words_[0]);
    if (words_.size() < 2) fail("no verb; expected 'NAME verb arguments'");

    const auto form = std::find_if(kVerbs.begin(), kVerbs.end(),
                                   [&](const VerbForm& verb) { return verb.word == words_[1]; });
    if (form == kVerbs.end())
      fail("unknown verb " + inQuotes(words_[1]) + "; expected one of " + verbs());
    line.verb = static_cast<ScheduleVerb>(form - kVerbs.begin());
    const std::size_t count = 2 + countOf(form->arguments);
    std::size_t end = count;
    while (end < words_.size() && option(line, form->arguments, words_[end])) ++end;
    expectWords(std::max(end, count),
                "NAME " + std::string(form->word) + std::string(argumentsForm(form->arguments)));

    if (form->arguments == Arguments::Milliseconds) line.timeout = timeout(words_[2]);
    if (hasObject(line.verb)) line.object = name(words_[2]);
    if (form->arguments == Arguments::LockRequest) lockRequest(line);
    return line;
  }

  // What may stand behind the arguments of a verb, in this order, each once.
  bool option(StepLine& line, Arguments arguments, std::string_view word) const {
    if (arguments == Arguments::SignOff && word == "inherit" && !line.inherit) {
      line.inherit = true;
      return true;
    }
    constexpr std::string_view kLease = "lease=";
    const bool isLock = arguments == Arguments::Lock || arguments == Arguments::LockRequest;
    if (!isLock || line.lease) return false;
    if (word == "subtree" && !line.subtree) {
      line.subtree = true;
      return true;
    }
    if (!word.starts_with(kLease)) return false;
    line.lease = number<std::int32_t>(word.substr(kLease.size()), 1, "a lease in ms");
    return true;
  }

  void lockRequest(StepLine& line) const {
    const auto type = among<ScheduleLockType>(kTypes, words_[3]);
    if (!type) fail(inQuotes(words_[3]) + " is not a lock type; expected one of " + listed(kTypes));
    const auto duration = among<ScheduleDuration>(kDurations, words_[4]);
    if (!duration) {
      fail(inQuotes(words_[4]) + " is not a lock duration; expected one of " + listed(kDurations));
    }
    line.type = *type;
    line.duration = *duration;
    line.timeout = timeout(words_[5]);
  }

  static std::string verbs() {
    std::string out;
    for (const VerbForm& verb : kVerbs) out.append(out.empty() ? "" : ", ").append(verb.word);
    return out;
  }

  int number_;
  Words words_;
};

}  // namespace

ScheduleError::ScheduleError(int line, const std::string& message)
    : std::runtime_error("line " + std::to_string(line) + ": " + message), line_(line) {}

// What is no text of ours is told so before its words are looked at: they would be blamed instead.
void ScheduleReader::checkEncoding(std::string& text) const {
  if (number_ == 1) {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
      throw ScheduleError(number_, "the schedule is UTF-16; save it as UTF-8");
    }
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  }
  if (text.find('\0') != std::string::npos) {
    throw ScheduleError(number_, "the line holds a zero byte; is this a text file in UTF-8?");
  }
  const std::size_t last = text.find_last_not_of('\r');
  if (last != std::string::npos && text.find('\r') < last) {
    throw ScheduleError(number_,
                        "the line holds a CR that does not end it; save the file with "
                        "lines that end in LF or CR LF");
  }
}

std::string ObjectLine::parentPath() const {
  const std::size_t last = path.rfind('/');
  return last == 0 ? std::string(kScheduleRoot) : path.substr(0, last);
}

std::optional<ScheduleLine> ScheduleReader::next() {
  std::string text;
  while (std::getline(schedule_, text)) {
    ++number_;
    checkEncoding(text);
    const Words words = split(text);
    if (words.empty()) continue;

    ScheduleLine line = LineParser(number_, words).parse();
    if (const auto* advance = std::get_if<AdvanceLine>(&line.content)) {
      if (advance->milliseconds > kLastInstant - clock_) {
        throw ScheduleError(number_, "the clock of a schedule ends at " +
                                         std::to_string(kLastInstant) + " ms and stands at " +
                                         std::to_string(clock_) + "; advance less");
      }
      clock_ += advance->milliseconds;
    }
    return line;
  }
  if (schedule_.bad()) throw ScheduleError(number_ + 1, "the schedule cannot be read any further");
  return std::nullopt;
}

Schedule parseSchedule(std::istream& schedule) {
  ScheduleReader reader(schedule);
  Schedule all;
  while (auto line = reader.next()) all.lines.push_back(std::move(*line));
  return all;
}

std::string_view scheduleWord(ScheduleVerb verb) {
  return kVerbs.at(static_cast<std::size_t>(verb)).word;
}

std::string_view scheduleWord(ScheduleLockType type) {
  return kTypes.at(static_cast<std::size_t>(type));
}

std::string_view scheduleWord(ScheduleDuration duration) {
  return kDurations.at(static_cast<std::size_t>(duration));
}

std::string_view scheduleWord(ScheduleSetting setting) {
  return kSettings.at(static_cast<std::size_t>(setting));
}

std::string_view scheduleWord(ScheduleVictim victim) {
  return kVictims.at(static_cast<std::size_t>(victim));
}

bool hasObject(ScheduleVerb verb) {
  const Arguments arguments = kVerbs.at(static_cast<std::size_t>(verb)).arguments;
  return arguments == Arguments::Object || isLockVerb(verb);
}

bool isLockVerb(ScheduleVerb verb) {
  const Arguments arguments = kVerbs.at(static_cast<std::size_t>(verb)).arguments;
  return arguments == Arguments::Lock || arguments == Arguments::LockRequest;
}

}  // namespace nephrite
