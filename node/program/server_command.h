#pragma once

// Private to node.

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace nephrite {

struct ServerCommand {
  std::filesystem::path iniFile;  ///< Empty: jade.ini in the working directory.
  std::string iniName;
  std::vector<std::string> overrides;
  std::string version;
};

/// `nephrite server`: a server node in the foreground, until SIGTERM or SIGINT. Says on standard
/// output where it listens when it is ready, and tells systemd (sd_notify) when it is, how it does
/// and when it ends. The first signal lets clients finish for [NephriteServer] DrainTime, a second
/// one ends at once; SIGHUP reads the INI file again. Returns the exit status: 0; 1 when it could
/// not start, which may be otherwise the next time; 78 (EX_CONFIG) when the INI file has errors, or
/// names what cannot be used, or the store is damaged: that stays until it is mended. `err`
/// says why.
int serverCommand(const ServerCommand& command, std::ostream& err);

}  // namespace nephrite
