#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/nephrite.h"

namespace nephrite {

/// A whole database in one program: reads the INI file, opens the store it names, and signs a
/// node on. What samples and embedding programs start with.
///
///     EmbeddedNode database(EmbeddedNode::Options{.iniFile = "jade.ini"});
///     Process process = database.node().signOn({.user = "anna"});
///
/// Lasts:   the store is closed when this has ended and no Process, Object or other handle of its
///          node is left; those that are kept throw UsageException (64006) when they are used.
///          Until then no program can open it again.
/// Errors:  IniFileMissing (125) and IniError for the INI file, StoreException for the store,
///          SignOnException when system.nodes is locked.
/// Threads: node() from any; reload() from any; the rest one at a time.
class EmbeddedNode {
 public:
  struct Options {
    /// The INI file; empty: jade.ini in the working directory.
    std::filesystem::path iniFile = {};
    /// `name=Id` of the command line: [Id.Section] counts before [Section].
    std::string iniName = {};
    /// `Section.Parameter=value` of the command line: beat the file.
    std::vector<std::string> iniOverrides = {};
    std::string nodeName = "main";
  };

  explicit EmbeddedNode(const Options& options);
  ~EmbeddedNode();  ///< Signs everybody off.
  EmbeddedNode(const EmbeddedNode&) = delete;
  EmbeddedNode& operator=(const EmbeddedNode&) = delete;

  Node& node();
  std::shared_ptr<Database> database() const;

  /// Where the store is.
  const std::filesystem::path& storeDirectory() const;

  struct ReloadReport {
    std::vector<std::string> changed;  ///< "JadeServer.ServerTimeout = 5000 (jade.ini:3)".
    std::vector<std::string>
        problems;  ///< Errors (nothing was changed), or what waits for a restart.
  };
  /// Reads the INI file again and takes over what is dynamic. Never throws for what it says.
  ReloadReport reload();

  /// From now on SIGHUP reloads, and what changed is logged. One node of a program at a time;
  /// ends with it. A second call does nothing.
  void reloadOnHangup();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite
