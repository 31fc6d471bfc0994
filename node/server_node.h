#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/nephrite.h"

namespace nephrite {

/// A server node: the database that an INI file describes, and the sockets on which client nodes in
/// other programs find it. What `nephrite server` runs; programs may have one, too.
///
///     ServerNode server({.iniFile = "jade.ini"});
///     Process process = server.node().signOn({.user = "anna"});   // In this program...
///     // ... and any ClientNode with ServerNodeSpecifications=TcpIP, 127.0.0.1, 6005
///
/// Listens: on a loopback address and, when asked to, on a unix socket in a directory that only the
///          server's user can enter; any other address is refused.
/// Errors:  as EmbeddedNode; IniError, too, for an address, a directory or an audit log that cannot
///          be had before the settings or the machine are mended; std::system_error for one
///          that may be had the next time: its port is in use.
/// Threads: one serves all connections; [NephriteServer] CommitThreads more write commits. node()
///          and reload() from any, the rest one at a time.
class ServerNode {
 public:
  struct Options {
    /// The INI file; empty: jade.ini in the working directory.
    std::filesystem::path iniFile = {};
    std::string iniName = {};
    std::vector<std::string> iniOverrides = {};
    std::string nodeName = "server";
    std::string version = "embedded";  ///< Shown to clients.
  };

  explicit ServerNode(const Options& options);
  ~ServerNode();  ///< stop().
  ServerNode(const ServerNode&) = delete;
  ServerNode& operator=(const ServerNode&) = delete;

  /// The server's own node.
  Node& node();
  std::shared_ptr<Database> database() const;

  std::uint16_t port() const;
  /// Empty: none.
  const std::filesystem::path& unixSocket() const;
  const std::filesystem::path& storeDirectory() const;
  const std::filesystem::path& iniFile() const;

  struct ReloadReport {
    std::vector<std::string> changed;
    std::vector<std::string> problems;
  };
  /// Reads the INI file again and takes over what is dynamic. Never throws for what it says.
  ReloadReport reload();

  /// Lets no new client in and tells those that are here. isQuiet() says when no lock is held.
  void drain();
  bool isQuiet() const;
  /// [NephriteServer] DrainTime.
  std::chrono::milliseconds drainTime() const;
  /// Ends all sessions and signs everybody off. Idempotent. The store is closed as that of an
  /// EmbeddedNode is: when this has ended and no handle of its node is left.
  void stop();

  /// Client sessions now; for status lines. 0 after stop().
  std::size_t sessionCount() const;
  /// Why nothing can be committed, or audited, and what to do; empty when all can be done.
  std::string trouble() const;
  /// Asks something of the serving thread and waits for it: returns only while it is alive.
  void touch() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite
