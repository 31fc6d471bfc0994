#include "ini/parameter_table.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "ini/ini_parser.h"
#include "ini/ini_value.h"

namespace nephrite {
namespace {

using enum ParameterType;
using Value = ParameterValue;

constexpr std::int64_t kKilo = 1024, kMega = kKilo * 1024, kGiga = kMega * 1024;
constexpr std::int64_t kHour = 3600000;  // In milliseconds.

constexpr ParameterRange kAny = {};
constexpr ParameterRange kTimeout = {1, std::numeric_limits<std::int32_t>::max()};
constexpr ParameterRange kCache = {3 * kMega, 0};
constexpr ParameterRange kPause = {1, kHour};
constexpr ParameterRange kPatience = {0, kHour};
constexpr ParameterRange kSilence = {10, kHour};
constexpr ParameterRange kSpin = {0, 1000};
constexpr ParameterRange kFrame = {64 * kKilo, kGiga};
constexpr ParameterRange kCrowd = {1, 1000000};
constexpr ParameterRange kCoherency = {.words = "ServerDefault true false"};
constexpr ParameterRange kLimit = {0, std::numeric_limits<std::int32_t>::max()};
constexpr ParameterRange kVictims = {
    .words =
        "Requester Youngest Oldest FewestLocks MostLocks FewestWriteLocks MostWriteLocks "
        "Random"};
constexpr ParameterRange kLevels = {.words = "Debug Info Warning Error"};
constexpr bool kDynamic = true, kAtStart = false, kWorks = true, kNoEffect = false;

std::chrono::milliseconds ms(const Value& value) {
  return std::chrono::milliseconds(std::get<std::int64_t>(value));
}
std::chrono::microseconds us(const Value& value) {
  return std::chrono::microseconds(std::get<std::int64_t>(value));
}
// Its range keeps a value from being negative or too large for T.
template <typename T>
T number(const Value& value) {
  return static_cast<T>(std::get<std::int64_t>(value));
}
std::uint64_t bytes(const Value& value) { return number<std::uint64_t>(value); }
const std::filesystem::path& path(const Value& value) {
  return std::get<std::filesystem::path>(value);
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
    {"JadeServer", "DoubleDeadlockException", Boolean, "false", kAny, kDynamic, kWorks,
     "Refuse both the requester and its first blocker in a deadlock.",
     [](Settings& s, const Value& v) { s.server.doubleDeadlockException = std::get<bool>(v); }},
    {"JadeServer", "ObjectCacheSizeLimit", CacheSize, "80M", kCache, kAtStart, kWorks,
     "Memory for cached objects of the store.",
     [](Settings& s, const Value& v) { s.server.objectCacheSizeLimit = bytes(v); }},
    {"JadeServer", "TransientCacheSizeLimit", CacheSize, "40M", kCache, kAtStart, kNoEffect,
     "Memory for cached transient objects.",
     [](Settings& s, const Value& v) { s.server.transientCacheSizeLimit = bytes(v); }},
    {"JadeServer", "AutomaticCacheCoherencyDefault", Boolean, "true", kAny, kAtStart, kWorks,
     "What ServerDefault means to the nodes that say so.",
     [](Settings& s, const Value& v) { s.server.automaticCacheCoherencyDefault = std::get<bool>(v); }},
    {"JadeServer", "AutomaticCacheCoherency", Choice, "ServerDefault", kCoherency, kAtStart, kWorks,
     "Refresh cached objects that other nodes change.",
     [](Settings& s, const Value& v) { s.server.automaticCacheCoherency = coherency(v); }},
    {"JadeClient", "ServerNodeSpecifications", ServerNode, "TcpIP, 127.0.0.1, 6005", kAny, kAtStart, kWorks,
     "Where a client node finds its server node; see above.",
     [](Settings& s, const Value& v) { s.connection.server = std::get<ServerNodeSpecification>(v); }},
    {"JadeClient", "BackgroundProcessServerTimeout", Milliseconds, "30000", kTimeout, kDynamic, kWorks,
     "How long lock requests of background processes on a client node wait.",
     [](Settings& s, const Value& v) { s.client.backgroundProcessServerTimeout = ms(v); }},
    {"JadeClient", "ObjectCacheSizeLimit", CacheSize, "80M", kCache, kAtStart, kWorks,
     "Memory for cached objects of a client node.",
     [](Settings& s, const Value& v) { s.client.objectCacheSizeLimit = bytes(v); }},
    {"JadeClient", "TransientCacheSizeLimit", CacheSize, "40M", kCache, kAtStart, kNoEffect,
     "Memory for cached transient objects of a client node.",
     [](Settings& s, const Value& v) { s.client.transientCacheSizeLimit = bytes(v); }},
    {"JadeClient", "AutomaticCacheCoherency", Choice, "ServerDefault", kCoherency, kAtStart, kWorks,
     "Refresh cached objects that other nodes change.",
     [](Settings& s, const Value& v) { s.client.automaticCacheCoherency = coherency(v); }},
    {"NephriteServer", "ListenAddress", Address, "127.0.0.1", kAny, kAtStart, kWorks,
     "Address that a server node listens at, on this machine only.",
     [](Settings& s, const Value& v) { s.network.listenAddress = std::get<std::string>(v); }},
    {"NephriteServer", "Port", Number, "6005", {0, 65535}, kAtStart, kWorks,
     "Its TCP port; 0 is any that is free, which the program prints.",
     [](Settings& s, const Value& v) { s.network.port = number<std::uint16_t>(v); }},
    {"NephriteServer", "UnixSocket", Path, "none", {.most = kSocketPathBytes, .words = "none"}, kAtStart, kWorks,
     "A socket in the file system to listen at as well.",
     [](Settings& s, const Value& v) { s.network.unixSocket = path(v); }},
    {"NephriteServer", "KeepAliveTimeout", Milliseconds, "15000", kSilence, kDynamic, kWorks,
     "A client node not heard of for so long has lost its connection.",
     [](Settings& s, const Value& v) { s.network.keepAliveTimeout = ms(v); }},
    {"NephriteServer", "SessionGraceTime", Milliseconds, "0", {0, kHour}, kDynamic, kWorks,
     "How long a lost connection may be resumed, with its locks. 0: they go at once.",
     [](Settings& s, const Value& v) { s.network.sessionGraceTime = ms(v); }},
    {"NephriteServer", "MaxSessions", Number, "20000", kCrowd, kDynamic, kWorks,
     "Client nodes that may be signed on at one time.",
     [](Settings& s, const Value& v) { s.network.maxSessions = number<std::uint64_t>(v); }},
    {"NephriteServer", "MaxProcessesPerSession", Number, "1000", kCrowd, kDynamic, kWorks,
     "Nodes, and processes, that one client node may sign on.",
     [](Settings& s, const Value& v) { s.network.maxProcessesPerSession = number<std::uint64_t>(v); }},
    {"NephriteServer", "MaxFrameSize", Size, "16M", kFrame, kAtStart, kWorks,
     "The largest message to the server, and with it the largest object: larger ones are not committed.",
     [](Settings& s, const Value& v) { s.network.maxFrameSize = bytes(v); }},
    {"NephriteServer", "SlowReaderWarning", Size, "1M", kFrame, kDynamic, kWorks,
     "Unsent bytes of a client node: nothing is read from one with more; the log names it when that lasts.",
     [](Settings& s, const Value& v) { s.network.slowReaderWarning = bytes(v); }},
    {"NephriteServer", "SlowReaderLimit", Size, "32M", kFrame, kDynamic, kWorks,
     "The same: it is disconnected when that lasts for two thirds of KeepAliveTimeout.",
     [](Settings& s, const Value& v) { s.network.slowReaderLimit = bytes(v); }},
    {"NephriteServer", "DrainTime", Milliseconds, "8000", {0, 60000}, kDynamic, kWorks,
     "How long SIGTERM lets transactions end before their sessions are ended.",
     [](Settings& s, const Value& v) { s.network.drainTime = ms(v); }},
    {"NephriteServer", "CommitThreads", Number, "8", {1, 64}, kAtStart, kWorks,
     "Threads that write commits; commits that wait for the disk together share it.",
     [](Settings& s, const Value& v) { s.network.commitThreads = number<unsigned>(v); }},
    {"NephriteServer", "SpinTime", Microseconds, "0", kSpin, kDynamic, kWorks,
     "How long an idle thread looks for work before it sleeps: latency for processor time.",
     [](Settings& s, const Value& v) { s.network.spinTime = us(v); }},
    {"NephriteServer", "AuditLog", Path, "audit.log", kAny, kAtStart, kWorks,
     "File that says who unlocked or signed off what by hand, and why.",
     [](Settings& s, const Value& v) { s.network.auditLog = path(v); }},
    {"NephriteServer", "KeptDeadlocks", Number, "64", {1, 10000}, kAtStart, kWorks,
     "The latest deadlocks that are kept for `nephrite deadlocks`.",
     [](Settings& s, const Value& v) { s.network.keptDeadlocks = number<std::uint64_t>(v); }},
    {"NephriteLocks", "MaxLockers", Number, "0", kLimit, kAtStart, kWorks,
     "Processes that may be signed on. 0: any number.",
     [](Settings& s, const Value& v) { s.locks.maxLockers = number<std::uint64_t>(v); }},
    {"NephriteLocks", "MaxLocks", Number, "0", kLimit, kAtStart, kWorks,
     "Locks that may be held or waited for. 0: any number; else each lock costs more.",
     [](Settings& s, const Value& v) { s.locks.maxLocks = number<std::uint64_t>(v); }},
    {"NephriteLocks", "MaxLockedObjects", Number, "0", kLimit, kAtStart, kWorks,
     "Objects and resources that may be locked or waited for. 0: any number; else each lock costs more.",
     [](Settings& s, const Value& v) { s.locks.maxLockedObjects = number<std::uint64_t>(v); }},
    {"NephriteLocks", "LimitWarning", Number, "90", {1, 100}, kAtStart, kWorks,
     "Percent of a limit: the log says when there are more, and when no longer.",
     [](Settings& s, const Value& v) { s.locks.limitWarning = number<unsigned>(v); }},
    {"NephriteLocks", "WritePatience", Milliseconds, "1000", kPatience, kAtStart, kWorks,
     "How long a request through a face waits for the end of writes that are under way. 0: not.",
     [](Settings& s, const Value& v) { s.locks.writePatience = ms(v); }},
    {"NephriteLocks", "DeadlockVictim", Choice, "Requester", kVictims, kAtStart, kWorks,
     "Which process of a deadlock is refused, among those of the lowest priority.",
     [](Settings& s, const Value& v) { s.locks.deadlockVictim = std::get<std::string>(v); }},
    {"NephriteLocks", "DeadlockSeed", Number, "0", kLimit, kAtStart, kWorks,
     "Of DeadlockVictim=Random: the same seed refuses the same processes again.",
     [](Settings& s, const Value& v) { s.locks.deadlockSeed = number<std::uint64_t>(v); }},
    {"NephriteLocks", "KeptEvents", Number, "4096", {1, 1000000}, kAtStart, kWorks,
     "The latest lock events that are kept, 64 bytes each, for callers that ask what has happened.",
     [](Settings& s, const Value& v) { s.locks.keptEvents = number<std::uint64_t>(v); }},
    {"NephriteClient", "KeepAliveTimeout", Milliseconds, "15000", kSilence, kAtStart, kWorks,
     "A server node not heard of for so long has lost its connection.",
     [](Settings& s, const Value& v) { s.connection.keepAliveTimeout = ms(v); }},
    {"NephriteClient", "ConnectTimeout", Milliseconds, "10000", kPause, kAtStart, kWorks,
     "How long one attempt to connect may take.",
     [](Settings& s, const Value& v) { s.connection.connectTimeout = ms(v); }},
    {"NephriteClient", "ReconnectFirstPause", Milliseconds, "100", kPause, kAtStart, kWorks,
     "Pause before the second attempt; it doubles with each one, and is randomised.",
     [](Settings& s, const Value& v) { s.connection.reconnectFirstPause = ms(v); }},
    {"NephriteClient", "ReconnectLongestPause", Milliseconds, "10000", kPause, kAtStart, kWorks,
     "The longest pause between two attempts.",
     [](Settings& s, const Value& v) { s.connection.reconnectLongestPause = ms(v); }},
    {"NephriteClient", "SpinTime", Microseconds, "0", kSpin, kAtStart, kWorks,
     "How long a thread that waits for an answer looks for it before it sleeps.",
     [](Settings& s, const Value& v) { s.connection.spinTime = us(v); }},
    {"PersistentDb", "SystemFileDirectory", Path, "system", kAny, kAtStart, kWorks,
     "Directory of the store.",
     [](Settings& s, const Value& v) { s.store.systemFileDirectory = path(v); }},
    {"NephriteStore", "SyncCommits", Boolean, "true", kAny, kAtStart, kWorks,
     "A commit waits for the disk. Without it a power cut may lose the latest commits.",
     [](Settings& s, const Value& v) { s.store.syncCommits = std::get<bool>(v); }},
    {"NephriteStore", "VerifyOnOpen", Boolean, "true", kAny, kAtStart, kWorks,
     "Read and check every file of the store before opening it.",
     [](Settings& s, const Value& v) { s.store.verifyOnOpen = std::get<bool>(v); }},
    {"NephriteLog", "Level", Choice, "Info", kLevels, kDynamic, kWorks,
     "The least severe log lines that are written.",
     [](Settings& s, const Value& v) { s.logLevel = level(v); }},
#define NEPHRITE_INSTEAD(section, name, instead) \
    {section, name, Unread, "", kAny, kAtStart, kNoEffect, instead, nullptr}
#define NEPHRITE_UNREAD(section, name) NEPHRITE_INSTEAD(section, name, "")
    NEPHRITE_INSTEAD("JadeServer", "NetworkSpecification<n>",
                     "use ListenAddress, Port and UnixSocket of [NephriteServer]"),
    NEPHRITE_UNREAD("JadeServer", "LockQueueCheckInterval"),
    NEPHRITE_UNREAD("JadeServer", "RemoteTransientCacheSizeLimit"),
    NEPHRITE_UNREAD("JadeServer", "MaxWaitAppStart"),
    NEPHRITE_UNREAD("JadeServer", "MaxWaitAppStop"),
    NEPHRITE_UNREAD("JadeServer", "TransportIdlePollInterval"),
    NEPHRITE_UNREAD("JadeClient", "TransientDbPath"),
    NEPHRITE_UNREAD("JadeClient", "MaxWaitAppStart"),
    NEPHRITE_INSTEAD("JadeClient", "TerminateProcessOnDisconnect",
                     "a session that is lost always ends its processes"),
    NEPHRITE_UNREAD("JadeClient", "NotifyQueueDepthWarningThreshold"),
    NEPHRITE_UNREAD("JadeClient", "SamplingNode"),
    NEPHRITE_UNREAD("JadeClient", "ReadOnlySchema"),
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
#undef NEPHRITE_INSTEAD
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
  std::size_t least = name.size() / 6 + 2;
  for (const Parameter& row : kTable) {
    if (!wantSection && foldCase(row.section) != foldCase(section)) continue;
    const std::string_view candidate = wantSection ? row.section : row.name;
    const std::size_t apart = distance(foldCase(name), foldCase(candidate));
    if (apart >= least) continue;
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

std::string_view sectionOf(std::string_view name) {
  for (const Parameter& row : kTable)
    if (row.effect && foldCase(row.name) == foldCase(name)) return row.section;
  return "";
}

std::string_view typeText(ParameterType type) {
  switch (type) {
    case Number: return "number";
    case Milliseconds: return "milliseconds";
    case Microseconds: return "microseconds";
    case Size:
    case CacheSize: return "bytes";
    case Boolean: return "true or false";
    case Choice: return "one word";
    case Address: return "address";
    case Path: return "path";
    case ServerNode: return "server node";
    case Unread: return "-";
  }
  return "";
}

std::string rangeText(const Parameter& parameter) {
  const ParameterRange& range = parameter.range;
  switch (parameter.type) {
    case Number:
    case Milliseconds:
    case Microseconds: return std::to_string(range.least) + " to " + std::to_string(range.most);
    case Size: return sizeText(range.least) + " to " + sizeText(range.most);
    case CacheSize: return sizeText(range.least) + " to two thirds of memory; brought into it";
    case Choice: return std::string(range.words);
    case Path: {
      std::string text(range.words);
      if (range.most == 0) return text;
      return text + (text.empty() ? "" : ", or ") + "at most " + std::to_string(range.most) +
             " bytes";
    }
    case Address: return "127.0.0.1, ::1 or localhost";
    case Boolean:
    case ServerNode:
    case Unread: break;
  }
  return "";
}

}  // namespace nephrite
