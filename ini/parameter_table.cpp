#include "ini/parameter_table.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include "ini/ini_parser.h"

namespace nephrite {
namespace {

using enum ParameterType;
using Value = ParameterValue;

constexpr std::string_view kTimeout = "1 to 2147483647";
constexpr std::string_view kCache = "3M to two thirds of memory; brought into it";
constexpr std::string_view kCoherency = "ServerDefault true false";
constexpr bool kDynamic = true, kAtStart = false, kWorks = true, kNoEffect = false;

std::chrono::milliseconds ms(const Value& value) {
  return std::chrono::milliseconds(std::get<std::int64_t>(value));
}
std::uint64_t bytes(const Value& value) {
  return static_cast<std::uint64_t>(std::get<std::int64_t>(value));
}
CacheCoherency coherency(const Value& value) {
  const auto& word = std::get<std::string>(value);
  if (word == "true") return CacheCoherency::On;
  return word == "false" ? CacheCoherency::Off : CacheCoherency::ServerDefault;
}
LogLevel level(const Value& value) {
  const auto& word = std::get<std::string>(value);
  if (word == "Debug") return LogLevel::Debug;
  if (word == "Info") return LogLevel::Info;
  return word == "Warning" ? LogLevel::Warning : LogLevel::Error;
}

// clang-format off
const Parameter kTable[] = {
    {"JadeServer", "ServerTimeout", Milliseconds, "10000", kTimeout, kDynamic, kWorks,
     "How long a lock request waits that names no timeout.",
     [](Settings& s, const Value& v) { s.server.serverTimeout = ms(v); }},
    {"JadeServer", "BackgroundProcessServerTimeout", Milliseconds, "30000", kTimeout, kDynamic, kWorks,
     "The same for background processes on the server node.",
     [](Settings& s, const Value& v) { s.server.backgroundProcessServerTimeout = ms(v); }},
    {"JadeServer", "DoubleDeadlockException", Boolean, "false", "", kDynamic, kWorks,
     "Refuse both the requester and its first blocker in a deadlock.",
     [](Settings& s, const Value& v) { s.server.doubleDeadlockException = std::get<bool>(v); }},
    {"JadeServer", "ObjectCacheSizeLimit", Size, "80M", kCache, kAtStart, kWorks,
     "Memory for cached objects of the store.",
     [](Settings& s, const Value& v) { s.server.objectCacheSizeLimit = bytes(v); }},
    {"JadeServer", "TransientCacheSizeLimit", Size, "40M", kCache, kAtStart, kNoEffect,
     "Memory for cached transient objects.",
     [](Settings& s, const Value& v) { s.server.transientCacheSizeLimit = bytes(v); }},
    {"JadeServer", "AutomaticCacheCoherencyDefault", Boolean, "true", "", kAtStart, kNoEffect,
     "What ServerDefault means to the nodes that say so.",
     [](Settings& s, const Value& v) { s.server.automaticCacheCoherencyDefault = std::get<bool>(v); }},
    {"JadeServer", "AutomaticCacheCoherency", Choice, "ServerDefault", kCoherency, kAtStart, kNoEffect,
     "Refresh cached objects that other nodes change.",
     [](Settings& s, const Value& v) { s.server.automaticCacheCoherency = coherency(v); }},
    {"JadeClient", "BackgroundProcessServerTimeout", Milliseconds, "30000", kTimeout, kDynamic, kWorks,
     "How long lock requests of background processes on a client node wait.",
     [](Settings& s, const Value& v) { s.client.backgroundProcessServerTimeout = ms(v); }},
    {"JadeClient", "ObjectCacheSizeLimit", Size, "80M", kCache, kAtStart, kNoEffect,
     "Memory for cached objects of a client node.",
     [](Settings& s, const Value& v) { s.client.objectCacheSizeLimit = bytes(v); }},
    {"JadeClient", "TransientCacheSizeLimit", Size, "40M", kCache, kAtStart, kNoEffect,
     "Memory for cached transient objects of a client node.",
     [](Settings& s, const Value& v) { s.client.transientCacheSizeLimit = bytes(v); }},
    {"JadeClient", "AutomaticCacheCoherency", Choice, "ServerDefault", kCoherency, kAtStart, kNoEffect,
     "Refresh cached objects that other nodes change.",
     [](Settings& s, const Value& v) { s.client.automaticCacheCoherency = coherency(v); }},
    {"PersistentDb", "SystemFileDirectory", Text, "system", "", kAtStart, kWorks,
     "Directory of the store; a relative one starts at the INI file's directory.",
     [](Settings& s, const Value& v) { s.store.systemFileDirectory = std::get<std::string>(v); }},
    {"NephriteStore", "SyncCommits", Boolean, "true", "", kAtStart, kWorks,
     "A commit waits for the disk. Without it a power cut may lose the latest commits.",
     [](Settings& s, const Value& v) { s.store.syncCommits = std::get<bool>(v); }},
    {"NephriteStore", "VerifyOnOpen", Boolean, "true", "", kAtStart, kWorks,
     "Read and check every file of the store before opening it.",
     [](Settings& s, const Value& v) { s.store.verifyOnOpen = std::get<bool>(v); }},
    {"NephriteLog", "Level", Choice, "Info", "Debug Info Warning Error", kDynamic, kWorks,
     "The least severe log lines that are written.",
     [](Settings& s, const Value& v) { s.logLevel = level(v); }},
#define NEPHRITE_UNREAD(section, name) \
    {section, name, Unread, "", "", kAtStart, kNoEffect, "JADE's; not read.", nullptr}
    NEPHRITE_UNREAD("JadeServer", "LockQueueCheckInterval"),
    NEPHRITE_UNREAD("JadeServer", "RemoteTransientCacheSizeLimit"),
    NEPHRITE_UNREAD("JadeServer", "MaxWaitAppStart"),
    NEPHRITE_UNREAD("JadeServer", "MaxWaitAppStop"),
    NEPHRITE_UNREAD("JadeServer", "TransportIdlePollInterval"),
    NEPHRITE_UNREAD("JadeClient", "TransientDbPath"),
    NEPHRITE_UNREAD("JadeClient", "MaxWaitAppStart"),
    NEPHRITE_UNREAD("JadeClient", "TerminateProcessOnDisconnect"),
    NEPHRITE_UNREAD("JadeClient", "NotifyQueueDepthWarningThreshold"),
    NEPHRITE_UNREAD("JadeClient", "SamplingNode"),
    NEPHRITE_UNREAD("JadeClient", "ReadOnlySchema"),
    NEPHRITE_UNREAD("JadeClient", "ServerNodeSpecifications"),
    NEPHRITE_UNREAD("PersistentDb", "EnableArchivalRecovery"),
    NEPHRITE_UNREAD("JadeCompiler", "CompilerLockTimeout"),
    NEPHRITE_UNREAD("JadeCompiler", "NonIDECompilerLockTimeout"),
    NEPHRITE_UNREAD("JadeAppServer", "ConnectionTimeout"),
    NEPHRITE_UNREAD("JadeAppServer", "ReconnectWaitTime"),
    NEPHRITE_UNREAD("JadeAppServer", "ServerApplication<n>"),
    NEPHRITE_UNREAD("NonGuiClient", "ServerApplication<n>"),
    NEPHRITE_UNREAD("JadeThinClient", "AttemptReconnect"),
    NEPHRITE_UNREAD("JadeThinClient", "ReconnectTimeout"),
    NEPHRITE_UNREAD("JadeLog", "<selector>"),
    NEPHRITE_UNREAD("JadeMonitorSecurity", "MonitorSecurity"),
    NEPHRITE_UNREAD("JadeMonitorSecurity", "MonitorDefaultUser"),
#undef NEPHRITE_UNREAD
};
// clang-format on

bool nameMatches(std::string_view pattern, std::string_view key) {
  if (pattern == "<selector>") return true;
  if (!pattern.ends_with("<n>")) return foldCase(pattern) == foldCase(key);
  const auto stem = pattern.substr(0, pattern.size() - 3);
  const auto digits = key.substr(std::min(stem.size(), key.size()));
  return foldCase(stem) == foldCase(key.substr(0, stem.size())) && !digits.empty() &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

// Levenshtein's distance. A name as long as a line of garbage is not worth the time.
std::size_t distance(const std::string& from, const std::string& to) {
  if (from.size() > 200) return from.size();
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string nearest(std::string_view name, std::string_view section, bool wantSection) {
  std::string_view best;
  std::size_t least = 0;
  for (const Parameter& row : kTable) {
    if (!wantSection && foldCase(row.section) != foldCase(section)) continue;
    const std::string_view candidate = wantSection ? row.section : row.name;
    const std::size_t apart = distance(foldCase(name), foldCase(candidate));
    if (!best.empty() && apart >= least) continue;
    best = candidate;
    least = apart;
  }
  return std::string(best);
}

}  // namespace

std::span<const Parameter> parameterTable() { return kTable; }

const Parameter* findParameter(std::string_view section, std::string_view key) {
  for (const Parameter& row : kTable)
    if (foldCase(row.section) == foldCase(section) && nameMatches(row.name, key)) return &row;
  return nullptr;
}

bool isKnownSection(std::string_view section) {
  if (foldCase(section) == "jadecommandline") return true;
  return std::any_of(std::begin(kTable), std::end(kTable), [&](const Parameter& row) {
    return foldCase(row.section) == foldCase(section);
  });
}

std::string nearestSection(std::string_view name) { return nearest(name, "", true); }

std::string nearestParameter(std::string_view section, std::string_view name) {
  return nearest(name, section, false);
}

std::string_view typeText(ParameterType type) {
  switch (type) {
    case Milliseconds: return "milliseconds";
    case Size: return "bytes";
    case Boolean: return "true or false";
    case Choice: return "one word";
    case Text: return "text";
    case Unread: return "-";
  }
  return "";
}

}  // namespace nephrite
