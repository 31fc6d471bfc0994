#include "ini/settings.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/check.h"
#include "base/plain_text.h"
#include "ini/ini_parser.h"
#include "ini/ini_value.h"
#include "ini/listen_address.h"
#include "ini/parameter_table.h"

namespace nephrite {
namespace {

constexpr std::int64_t kMega = std::int64_t{1} << 20;

// Reads the values of the table out of one file.
class Resolver {
 public:
  Resolver(const IniFile& file, std::uint64_t memory) : file_(file) {
    // Whole megabytes, so that the limit reads well where it is written back.
    const auto twoThirds = static_cast<std::int64_t>(memory / 3 * 2);
    mostCache_ = twoThirds / kMega * kMega;
    result_.problems = file.problems();
  }

  Resolution run() {
    for (const Parameter& parameter : parameterTable())
      if (parameter.type != ParameterType::Unread) resolve(parameter);
    checkOrder("NephriteServer", "SlowReaderWarning", "SlowReaderLimit");
    checkOrder("NephriteClient", "ReconnectFirstPause", "ReconnectLongestPause");
    checkNames();
    return std::move(result_);
  }

 private:
  void resolve(const Parameter& parameter) {
    std::string shown;
    const auto builtIn = parse(parameter, std::string(parameter.defaultText), {}, shown);
    NEPHRITE_CHECK(builtIn.has_value());
    const auto found = file_.find(parameter.section, parameter.name);
    if (!found || meansDefault(found->value)) {
      take(parameter, *builtIn, shown, found ? found->origin : IniOrigin{});
      return;
    }
    const std::string defaultShown = shown;
    const auto value = isReadable(parameter, *found)
                           ? parse(parameter, found->value, found->origin, shown)
                           : std::nullopt;
    take(parameter, value.value_or(*builtIn), value ? shown : defaultShown,
         value ? found->origin : IniOrigin{});
  }

  // What is no text, or most likely not the value alone, must not become the name of a folder.
  bool isReadable(const Parameter& parameter, const IniFound& found) {
    const std::string& text = found.value;
    if (const auto at = notUtf8At(text)) {
      const bool given = found.origin.kind == IniOrigin::Kind::CommandLine;
      refuse(parameter, text, found.origin,
             "is not UTF-8: its byte " + std::to_string(*at + 1) + " is 0" +
                 plainText(text.substr(*at, 1)).substr(1) + ", as in Latin-1 or Windows-1252; " +
                 (given ? "give the value in UTF-8" : "save the file as UTF-8"));
      return false;
    }
    const auto remark = found.quoted ? std::nullopt : foreignRemarkAt(text);
    if (!remark) return true;
    const std::string sign = text[*remark] == '#' ? "#" : "//";
    refuse(parameter, text, found.origin,
           "has a '" + sign +
               "' behind a blank: if a remark begins there, begin it with ';'; if "
               "not, put the value into double quotes");
    return false;
  }

  void take(const Parameter& parameter, const ParameterValue& value, const std::string& shown,
            const IniOrigin& origin) {
    parameter.store(result_.settings, value);
    result_.values.push_back({&parameter, shown, origin, value});
  }

  std::optional<ParameterValue> parse(const Parameter& parameter, const std::string& text,
                                      const IniOrigin& origin, std::string& shown) {
    shown = text;
    switch (parameter.type) {
      case ParameterType::Address: return parseAddress(parameter, text, origin);
      case ParameterType::Boolean:
        shown = foldCase(text);
        if (shown == "true" || shown == "false") return ParameterValue(shown == "true");
        refuse(parameter, text, origin, "is not true or false");
        return std::nullopt;
      case ParameterType::Choice: return parseChoice(parameter, text, origin, shown);
      case ParameterType::Path: return parsePath(parameter, text, origin, shown);
      case ParameterType::ServerNode: return parseServerNode(parameter, text, origin, shown);
      case ParameterType::Number:
      case ParameterType::Milliseconds:
      case ParameterType::Microseconds: return parseNumber(parameter, text, origin, shown);
      case ParameterType::Size:
      case ParameterType::CacheSize: return parseSize(parameter, text, origin, shown);
      case ParameterType::Unread: break;
    }
    return std::nullopt;
  }

  std::optional<ParameterValue> parseAddress(const Parameter& parameter, const std::string& text,
                                             const IniOrigin& origin) {
    const std::string why =
        text.empty() ? "is empty; give a value or <default>" : refusalOfListenAddress(text);
    if (why.empty()) return ParameterValue(text);
    refuse(parameter, text, origin, why);
    return std::nullopt;
  }

  std::optional<ParameterValue> parseChoice(const Parameter& parameter, const std::string& text,
                                            const IniOrigin& origin, std::string& shown) {
    std::istringstream words{std::string(parameter.range.words)};
    while (words >> shown)
      if (foldCase(shown) == foldCase(text)) return ParameterValue(shown);
    refuse(parameter, text, origin, "is none of: " + rangeText(parameter));
    return std::nullopt;
  }

  std::optional<ParameterValue> parsePath(const Parameter& parameter, const std::string& text,
                                          const IniOrigin& origin, std::string& shown) {
    if (text.empty()) {
      refuse(parameter, text, origin, "is empty; give a path or <default>");
      return std::nullopt;
    }
    const auto& none = parameter.range.words;
    if (!none.empty() && foldCase(text) == foldCase(none)) {
      shown = none;
      return ParameterValue(std::filesystem::path());
    }
    std::filesystem::path path = folder() / text;
    const auto most = static_cast<std::size_t>(parameter.range.most);
    if (most == 0 || path.native().size() <= most) return ParameterValue(std::move(path));
    refuse(parameter, text, origin,
           "is too long with its folder (" + path.string() + "): " + rangeText(parameter));
    return std::nullopt;
  }

  std::optional<ParameterValue> parseServerNode(const Parameter& parameter, const std::string& text,
                                                const IniOrigin& origin, std::string& shown) {
    try {
      ServerNodeSpecification server = parseServerNodeSpecification(text, folder());
      shown = server.toString();
      return ParameterValue(std::move(server));
    } catch (const std::invalid_argument& wrong) {
      refuse(parameter, text, origin, wrong.what());
      return std::nullopt;
    }
  }

  std::optional<std::int64_t> wholeNumber(const Parameter& parameter, const std::string& text,
                                          const IniOrigin& origin, bool units) {
    const auto number = parseIniNumber(text, units);
    if (!number) {
      refuse(parameter, text, origin, "is not a whole number");
      return std::nullopt;
    }
    if (number->fractionDropped)
      warn(origin.where, nameOf(parameter, text) + " is read as " + std::to_string(number->value) +
                             ": numbers are whole");
    return number->value;
  }

  bool inRange(const Parameter& parameter, const std::string& text, const IniOrigin& origin,
               std::int64_t value) {
    if (value >= parameter.range.least && value <= parameter.range.most) return true;
    refuse(parameter, text, origin, "is out of range: " + rangeText(parameter));
    return false;
  }

  std::optional<ParameterValue> parseNumber(const Parameter& parameter, const std::string& text,
                                            const IniOrigin& origin, std::string& shown) {
    const auto value = wholeNumber(parameter, text, origin, false);
    if (!value || !inRange(parameter, text, origin, *value)) return std::nullopt;
    shown = std::to_string(*value);
    return ParameterValue(*value);
  }

  std::optional<ParameterValue> parseSize(const Parameter& parameter, const std::string& text,
                                          const IniOrigin& origin, std::string& shown) {
    const auto given = wholeNumber(parameter, text, origin, true);
    if (!given) return std::nullopt;
    std::int64_t value = *given;
    if (parameter.type == ParameterType::CacheSize) {
      value = clampedCache(parameter, text, origin, value);
    } else if (!inRange(parameter, text, origin, value)) {
      return std::nullopt;
    }
    shown = sizeText(value);
    return ParameterValue(value);
  }

  std::int64_t clampedCache(const Parameter& parameter, const std::string& text,
                            const IniOrigin& origin, std::int64_t given) {
    const std::int64_t least = parameter.range.least;
    const std::int64_t most = std::max(least, mostCache_);
    const std::int64_t value = std::clamp(given, least, most);
    // A built-in default has no place in the file: on a small machine it just gets smaller.
    if (value == given || origin.kind == IniOrigin::Kind::Default) return value;
    result_.clamped.push_back({&parameter, text, sizeText(value), origin});
    warn(origin.where, nameOf(parameter, text) + " is out of range (" + sizeText(least) + " to " +
                           sizeText(most) + "); " + sizeText(value) + " counts");
    return value;
  }

  // Warns of two numbers, each in its range, of which the one that comes first is the larger.
  void checkOrder(std::string_view section, std::string_view first, std::string_view last) {
    const EffectiveValue& small = valueOf(section, first);
    const EffectiveValue& large = valueOf(section, last);
    if (std::get<std::int64_t>(small.value) <= std::get<std::int64_t>(large.value)) return;
    const bool smallGiven = small.origin.kind != IniOrigin::Kind::Default;
    warn((smallGiven ? small : large).origin.where, nameOf(*small.parameter, small.text) +
                                                        " is more than " + std::string(last) + "=" +
                                                        large.text + " and so counts as that");
  }

  const EffectiveValue& valueOf(std::string_view section, std::string_view name) const {
    const auto found = std::find_if(
        result_.values.begin(), result_.values.end(), [&](const EffectiveValue& value) {
          return value.parameter->section == section && value.parameter->name == name;
        });
    NEPHRITE_CHECK(found != result_.values.end());
    return *found;
  }

  // Unknown names, and names that JADE knows and that do nothing here. A parameter at its default,
  // and a section in which nothing is set, are no news: many files name all that there is.
  void checkNames() {
    std::set<std::string> ids, withValues;
    for (const IniEntry& entry : file_.entries()) {
      if (!meansDefault(entry.value)) withValues.insert(foldSection(entry.section));
    }
    for (const IniSection& section : file_.sections()) {
      const auto dot = section.name.find('.');
      if (dot != std::string::npos) ids.insert(section.name.substr(0, dot));
      if (!isKnownSection(plainOf(section.name)) && withValues.contains(foldSection(section.name)))
        unknownSection(section.name, file_.whereIs(section.line));
    }
    for (const IniEntry& entry : file_.entries())
      if (isKnownSection(plainOf(entry.section)) && !meansDefault(entry.value) &&
          foldCase(plainOf(entry.section)) != "jadecommandline")
        checkName(plainOf(entry.section), entry.key, file_.whereIs(entry.line));
    for (const IniOverride& given : file_.overrides()) {
      if (meansDefault(given.value)) continue;
      if (isKnownSection(given.section)) {
        checkName(given.section, given.key, given.origin.where);
      } else {
        unknownSection(given.section, given.origin.where);
      }
    }
    const std::string& name = file_.arguments().name;
    if (!name.empty() && !ids.empty() && !ids.contains(name))
      warn(file_.path().string(),
           "no section is qualified with name=" + name + " (its letter case counts)");
  }

  void unknownSection(const std::string& name, const std::string& where) {
    const std::string near = nearestSection(plainOf(name));
    warn(where, "section [" + plainText(name) + "] is unknown" +
                    (near.empty() ? ", and nothing in it counts" : "; nearest: [" + near + "]"));
  }

  void checkName(const std::string& section, const std::string& key, const std::string& where) {
    const Parameter* row = findParameter(section, key);
    const std::string shown = "[" + section + "] " + plainText(key);
    if (row == nullptr) {
      const std::string near = nearestParameter(section, key);
      const std::string elsewhere(sectionOf(key));
      warn(where, shown + " is unknown" +
                      (!elsewhere.empty() ? "; it belongs to [" + elsewhere + "]"
                       : near.empty()     ? ""
                                          : "; nearest: " + near));
    } else if (!row->effect) {
      const bool instead = row->type == ParameterType::Unread && !row->meaning.empty();
      warn(where, shown + " is known and has no effect in this version" +
                      (instead ? "; " + std::string(row->meaning) : ""));
    }
  }

  std::filesystem::path folder() const { return file_.path().parent_path(); }

  static std::string plainOf(const std::string& section) {
    const auto dot = section.find('.');
    return dot == std::string::npos ? section : section.substr(dot + 1);
  }

  static std::string nameOf(const Parameter& parameter, const std::string& text) {
    return "[" + std::string(parameter.section) + "] " + std::string(parameter.name) + "=" +
           plainText(text);
  }
  void refuse(const Parameter& parameter, const std::string& text, const IniOrigin& origin,
              const std::string& why) {
    result_.problems.push_back(
        {IniProblem::Severity::Error, origin.where, nameOf(parameter, text) + " " + why});
  }
  void warn(const std::string& where, const std::string& message) {
    result_.problems.push_back({IniProblem::Severity::Warning, where, message});
  }

  const IniFile& file_;
  std::int64_t mostCache_ = 0;
  Resolution result_;
};

// Writes clamped values back, as JADE does. What the command line gave has no place to write to.
void rewriteClamped(IniFile& file, const Resolution& resolution) {
  for (const ClampedValue& value : resolution.clamped) {
    try {
      if (!file.set(value.parameter->section, value.parameter->name, value.now)) continue;
      log(LogLevel::Warning, "ini.rewritten",
          {{"at", value.origin.where}, {"was", value.was}, {"now", value.now}});
    } catch (const std::exception& error) {
      log(LogLevel::Warning, "ini.not_rewritten",
          {{"at", value.origin.where}, {"now", value.now}, {"why", error.what()}});
    }
  }
}

}  // namespace

bool Resolution::hasErrors() const {
  return std::any_of(problems.begin(), problems.end(), [](const IniProblem& problem) {
    return problem.severity == IniProblem::Severity::Error;
  });
}

std::uint64_t machineMemory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return std::uint64_t{4} << 30;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size);
}

Resolution resolveSettings(const IniFile& file, std::uint64_t memory) {
  return Resolver(file, memory).run();
}

Resolution loadSettings(const std::filesystem::path& path, const IniArguments& arguments,
                        std::uint64_t memory) {
  IniFile file = IniFile::read(path, arguments);
  Resolution resolution = resolveSettings(file, memory);
  if (resolution.hasErrors()) {
    std::vector<IniProblem> errors;
    for (const IniProblem& problem : resolution.problems)
      if (problem.severity == IniProblem::Severity::Error) errors.push_back(problem);
    throw IniError(std::move(errors));
  }
  for (const IniProblem& problem : resolution.problems)
    log(LogLevel::Warning, "ini.warning", {{"at", problem.where}, {"what", problem.message}});
  rewriteClamped(file, resolution);
  return resolution;
}

Reload reloadSettings(const Resolution& running, const std::filesystem::path& path,
                      const IniArguments& arguments, std::uint64_t memory) {
  Reload reload{running, {}, {}};
  try {
    const Resolution fresh = resolveSettings(IniFile::read(path, arguments), memory);
    reload.problems = fresh.problems;
    if (fresh.hasErrors()) return reload;
    for (std::size_t i = 0; i < fresh.values.size(); ++i) {
      const EffectiveValue& value = fresh.values[i];
      const Parameter& row = *value.parameter;
      if (value.text == running.values[i].text) continue;
      if (row.dynamic) {
        reload.changed.push_back(value);
        reload.now.values[i] = value;
        row.store(reload.now.settings, value.value);
        continue;
      }
      reload.problems.push_back({IniProblem::Severity::Warning, value.origin.describe(),
                                 "[" + std::string(row.section) + "] " + std::string(row.name) +
                                     " changed from " + running.values[i].text + " to " +
                                     value.text + "; it counts from the next start"});
    }
  } catch (const IniError& error) {
    reload.problems.push_back({IniProblem::Severity::Error, path.string(), error.what()});
  }
  return reload;
}

}  // namespace nephrite
