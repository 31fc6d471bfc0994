#include "ini/ini_file.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "ini/file_bytes.h"

namespace nephrite {
namespace {

constexpr std::string_view kCommandLineSection = "JadeCommandLine";

std::string quotedIfNeeded(std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    throw std::invalid_argument("a value of an INI file is one line of text");
  const bool edges = !value.empty() &&
                     (std::string_view(" \t\v\f").find(value.front()) != std::string_view::npos ||
                      std::string_view(" \t\v\f").find(value.back()) != std::string_view::npos ||
                      value.front() == '"');
  if (!edges && value.find(';') == std::string_view::npos) return std::string(value);
  if (value.find('"') != std::string_view::npos)
    throw std::invalid_argument("a value that needs quotes cannot hold a quote itself");
  return '"' + std::string(value) + '"';
}

// A name must read back as itself.
void checkWritable(std::string_view section, std::string_view key) {
  const std::string line = "[" + std::string(section) + "]\n" + std::string(key) + "=\n";
  const ParsedIni back = parseIni(line, "");
  if (back.problems.empty() && back.entries.size() == 1 && back.entries[0].section == section &&
      back.entries[0].key == key)
    return;
  throw std::invalid_argument("[" + std::string(section) + "] " + std::string(key) +
                              " cannot be written as an INI entry");
}

}  // namespace

std::string IniOrigin::describe() const {
  switch (kind) {
    case Kind::Default: return "default";
    case Kind::File: return where;
    case Kind::QualifiedSection: return "qualified section, " + where;
    case Kind::CommandLineSection: return "[JadeCommandLine], " + where;
    case Kind::CommandLine: return "command line";
  }
  return where;
}

IniFile::IniFile(std::filesystem::path path, IniArguments arguments, std::string text)
    : path_(std::move(path)),
      arguments_(std::move(arguments)),
      text_(std::move(text)),
      parsed_(parseIni(text_, path_.string())) {
  takeOverrides();
}

IniFile IniFile::read(const std::filesystem::path& path, IniArguments arguments) {
  return IniFile(path, std::move(arguments), readFileBytes(path));
}

IniFile IniFile::none(IniArguments arguments) { return IniFile({}, std::move(arguments), {}); }

std::string IniFile::whereIs(int line) const { return path_.string() + ":" + std::to_string(line); }

void IniFile::takeOverrides() {
  const auto fail = [&](const std::string& where, const std::string& message) {
    parsed_.problems.push_back({IniProblem::Severity::Error, where, message});
  };
  if (arguments_.name.find('.') != std::string::npos || arguments_.name.size() > 100)
    fail("command line",
         "name=" + arguments_.name + ": a name has no dot and at most 100 characters");
  for (const std::string& argument : arguments_.overrides) takeArgument(argument);
  const std::string plain = foldSection(kCommandLineSection);
  const std::string qualified = foldSection(arguments_.name + "." + plain);
  for (const std::string& wanted : {qualified, plain}) {
    for (const IniEntry& entry : parsed_.entries) {
      if (foldSection(entry.section) != wanted) continue;
      const IniOrigin origin{IniOrigin::Kind::CommandLineSection, whereIs(entry.line)};
      if (entry.key.find('.') != std::string::npos) {
        takeOverride({"", entry.key, entry.value, origin, entry.quoted});
        continue;
      }
      parsed_.problems.push_back(
          {IniProblem::Severity::Warning, origin.where,
           "[JadeCommandLine] " + entry.key + " has no effect; only Section.Parameter=value has"});
    }
  }
}

void IniFile::takeArgument(const std::string& argument) {
  const IniOrigin origin{IniOrigin::Kind::CommandLine, "command line"};
  const auto equals = argument.find('=');
  const std::string name(trimmedBlanks(std::string_view(argument).substr(0, equals)));
  const auto fail = [&](const std::string& message) {
    parsed_.problems.push_back({IniProblem::Severity::Error, origin.where, message});
  };
  if (equals == std::string::npos) return fail("'" + argument + "' is not Section.Parameter=value");

  const std::string_view value = trimmedBlanks(std::string_view(argument).substr(equals + 1));
  if (!value.starts_with('"')) return takeOverride({"", name, std::string(value), origin, false});
  const auto close = value.find('"', 1);
  if (close == std::string_view::npos) return fail(name + ": the quote is not closed");
  if (close + 1 != value.size()) return fail(name + ": nothing may follow the closing quote");
  takeOverride({"", name, std::string(value.substr(1, close - 1)), origin, true});
}

// `given.key` still has the section before it.
void IniFile::takeOverride(IniOverride given) {
  const std::string name = std::move(given.key);
  const auto dot = name.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == name.size() ||
      name.find('.', dot + 1) != std::string::npos) {
    parsed_.problems.push_back({IniProblem::Severity::Error, given.origin.where,
                                "'" + name + "' is not Section.Parameter"});
    return;
  }
  given.section = name.substr(0, dot);
  given.key = name.substr(dot + 1);
  for (const IniOverride& earlier : overrides_) {
    if (foldCase(earlier.section) != foldCase(given.section) ||
        foldCase(earlier.key) != foldCase(given.key))
      continue;
    parsed_.problems.push_back(
        {IniProblem::Severity::Warning, given.origin.where,
         name + " is ignored: " + earlier.origin.where + " gives it already"});
    return;
  }
  overrides_.push_back(std::move(given));
}

std::optional<std::size_t> IniFile::entryOf(std::string_view section, std::string_view key) const {
  for (std::size_t i = 0; i < parsed_.entries.size(); ++i) {
    const IniEntry& entry = parsed_.entries[i];
    if (foldCase(entry.key) == foldCase(key) && foldSection(entry.section) == foldSection(section))
      return i;
  }
  return std::nullopt;
}

std::optional<IniFound> IniFile::find(std::string_view section, std::string_view key) const {
  for (const IniOverride& given : overrides_)
    if (foldCase(given.section) == foldCase(section) && foldCase(given.key) == foldCase(key))
      return IniFound{given.value, given.origin, 0, given.quoted};

  if (!arguments_.name.empty()) {
    if (const auto at = entryOf(arguments_.name + "." + std::string(section), key)) {
      const IniEntry& entry = parsed_.entries[*at];
      return IniFound{
          entry.value, {IniOrigin::Kind::QualifiedSection, whereIs(entry.line)}, *at, entry.quoted};
    }
  }
  const auto at = entryOf(section, key);
  if (!at) return std::nullopt;
  const IniEntry& entry = parsed_.entries[*at];
  return IniFound{entry.value, {IniOrigin::Kind::File, whereIs(entry.line)}, *at, entry.quoted};
}

bool IniFile::set(std::string_view section, std::string_view key, std::string_view value) {
  checkWritable(section, key);
  const std::string written = quotedIfNeeded(value);
  IniFile fresh = read(path_, arguments_);
  const auto found = fresh.find(section, key);
  if (found && (found->origin.kind == IniOrigin::Kind::CommandLine ||
                found->origin.kind == IniOrigin::Kind::CommandLineSection))
    return false;
  std::string changed;
  if (found) {
    const IniEntry& entry = fresh.entries()[found->entry];
    changed = fresh.text_;
    changed.replace(entry.valueBegin, entry.valueEnd - entry.valueBegin, written);
  } else {
    changed = fresh.textWith(section, key, written);
  }
  replaceFileBytes(path_, changed);
  *this = IniFile(path_, arguments_, std::move(changed));
  return true;
}

std::string IniFile::textWith(std::string_view section, std::string_view key,
                              const std::string& written) const {
  const std::string lineEnd = text_.find("\r\n") != std::string::npos ? "\r\n" : "\n";
  std::string line = std::string(key) + "=" + written + lineEnd;
  for (const IniSection& header : parsed_.sections) {
    if (foldSection(header.name) != foldSection(section)) continue;
    const bool headerEnds =
        header.end > 0 && (text_[header.end - 1] == '\n' || text_[header.end - 1] == '\r');
    return text_.substr(0, header.end) + (headerEnds ? "" : lineEnd) + line +
           text_.substr(header.end);
  }
  const bool ended = text_.empty() || text_.back() == '\n' || text_.back() == '\r';
  return text_ + (ended ? "" : lineEnd) + "[" + std::string(section) + "]" + lineEnd + line;
}

std::filesystem::path locateIniFile(const std::filesystem::path& iniArgument,
                                    const std::filesystem::path& pathArgument) {
  if (!iniArgument.empty()) return iniArgument;
  if (!pathArgument.empty()) return pathArgument / "jade.ini";
  return "jade.ini";
}

}  // namespace nephrite
