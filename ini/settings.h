#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "base/log.h"
#include "ini/ini_file.h"
#include "ini/server_node_specification.h"

namespace nephrite {

struct Parameter;

using ParameterValue =
    std::variant<std::int64_t, bool, std::string, std::filesystem::path, ServerNodeSpecification>;

enum class CacheCoherency { ServerDefault, On, Off };

struct ServerSettings {
  std::chrono::milliseconds serverTimeout{};
  std::chrono::milliseconds backgroundProcessServerTimeout{};
  bool doubleDeadlockException = false;
  std::uint64_t objectCacheSizeLimit = 0;     ///< Bytes.
  std::uint64_t transientCacheSizeLimit = 0;  ///< Bytes.
  bool automaticCacheCoherencyDefault = false;
  CacheCoherency automaticCacheCoherency = CacheCoherency::ServerDefault;
};

struct ClientSettings {
  std::chrono::milliseconds backgroundProcessServerTimeout{};
  std::uint64_t objectCacheSizeLimit = 0;     ///< Bytes.
  std::uint64_t transientCacheSizeLimit = 0;  ///< Bytes.
  CacheCoherency automaticCacheCoherency = CacheCoherency::ServerDefault;
};

/// How a server node listens, and how much it lets its client nodes ask of it.
struct NetworkServerSettings {
  std::string listenAddress;
  std::uint16_t port = 0;                        ///< 0: any that is free.
  std::filesystem::path unixSocket;              ///< Empty: none.
  std::chrono::milliseconds keepAliveTimeout{};  ///< Silence after which a connection is lost.
  std::chrono::milliseconds sessionGraceTime{};  ///< A lost connection's locks wait for so long.
  std::uint64_t maxSessions = 0;
  std::uint64_t maxProcessesPerSession = 0;
  std::uint64_t maxFrameSize = 0;       ///< Bytes.
  std::uint64_t slowReaderWarning = 0;  ///< Unsent bytes.
  std::uint64_t slowReaderLimit = 0;    ///< Unsent bytes after which we hang up.
  std::chrono::milliseconds drainTime{};
  unsigned commitThreads = 0;
  std::chrono::microseconds spinTime{};
  std::filesystem::path auditLog;
  std::uint64_t keptDeadlocks = 0;
};

/// How many locks there may be, and who gives way. Of the nodes that keep the lock table.
struct LockSettings {
  std::uint64_t maxLockers = 0;        ///< 0: no limit.
  std::uint64_t maxLocks = 0;          ///< 0: no limit.
  std::uint64_t maxLockedObjects = 0;  ///< 0: no limit.
  unsigned limitWarning = 0;           ///< Percent of a limit.
  std::chrono::milliseconds writePatience{};
  std::string deadlockVictim;  ///< "Requester", "Youngest", ...
  std::uint64_t deadlockSeed = 0;
  std::uint64_t keptEvents = 0;
};

/// How a client node finds its server node, and how it comes back to it.
struct NetworkClientSettings {
  ServerNodeSpecification server;
  std::chrono::milliseconds keepAliveTimeout{};  ///< Silence after which a connection is lost.
  std::chrono::milliseconds connectTimeout{};
  std::chrono::milliseconds reconnectFirstPause{};
  std::chrono::milliseconds reconnectLongestPause{};
  std::chrono::microseconds spinTime{};
};

struct StoreSettings {
  std::filesystem::path systemFileDirectory;
  bool syncCommits = false;
  bool verifyOnOpen = false;
};

/// What a node is told from outside. The defaults are in the table (parameter_table.cpp) and
/// nowhere else: take a Settings from resolveSettings() or loadSettings(). A relative path has been
/// put behind the INI file's folder.
struct Settings {
  ServerSettings server;
  ClientSettings client;
  NetworkServerSettings network;  ///< Of a server node.
  LockSettings locks;
  NetworkClientSettings connection;  ///< Of a client node.
  StoreSettings store;
  LogLevel logLevel = LogLevel::Info;
};

/// One parameter of the table as it now stands.
struct EffectiveValue {
  const Parameter* parameter = nullptr;
  std::string text;  ///< As Nephrite reads it: after defaults, units and limits.
  IniOrigin origin;
  ParameterValue value;
};

/// A cache size brought back into its range.
struct ClampedValue {
  const Parameter* parameter = nullptr;
  std::string was;
  std::string now;
  IniOrigin origin;
};

struct Resolution {
  Settings settings;
  std::vector<EffectiveValue> values;  ///< One for each row of the table, in its order.
  std::vector<IniProblem> problems;    ///< Of the file, the command line and the values.
  std::vector<ClampedValue> clamped;
  bool hasErrors() const;
};

/// Bytes of memory this machine has.
std::uint64_t machineMemory();

/// Reads every parameter of the table out of `file`. Changes nothing. A value with an error
/// leaves the default in its place and an error in `problems`.
Resolution resolveSettings(const IniFile& file, std::uint64_t memory = machineMemory());

/// What a node does at start: read, resolve, log the warnings, write clamped cache sizes back
/// into the file (a failure of that is logged and the start goes on). IniFileMissing, or
/// IniError with every error of the file.
Resolution loadSettings(const std::filesystem::path& path, const IniArguments& arguments,
                        std::uint64_t memory = machineMemory());

struct Reload {
  Resolution now;                       ///< What counts from here on; `running` after errors.
  std::vector<EffectiveValue> changed;  ///< Dynamic parameters with a new value.
  std::vector<IniProblem> problems;     ///< Errors; changes that wait for the next start.
};

/// Reads the file again, as on SIGHUP. Takes over the parameters that the table marks as dynamic;
/// of others that changed it warns. With any error in the file nothing changes. Never throws for
/// what the file says or does not exist, and never writes it.
Reload reloadSettings(const Resolution& running, const std::filesystem::path& path,
                      const IniArguments& arguments, std::uint64_t memory = machineMemory());

}  // namespace nephrite
