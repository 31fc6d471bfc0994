#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "node/client_node.h"
#include "tests/support/child_process.h"

namespace nephrite {

/// `nephrite server` in a directory of its own: a unix socket that stays the same when it is
/// started anew, and any free TCP port.
class ServerProgram {
 public:
  /// `network`: lines of [NephriteServer].
  explicit ServerProgram(const std::string& network) {
    std::string pattern = "/tmp/nephrite-remote-XXXXXX";  // Short, as unix sockets want.
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(iniFile()) << "[NephriteServer]\nPort=0\nUnixSocket=run/node.sock\n"
                             << network << "[NephriteStore]\nVerifyOnOpen=false\n"
                             << "[NephriteClient]\nReconnectFirstPause=10\n"
                             << "ReconnectLongestPause=50\n[NephriteLog]\nLevel=Info\n";
  }
  ~ServerProgram() {
    program_.reset();
    std::filesystem::remove_all(folder_);
  }
  ServerProgram(const ServerProgram&) = delete;
  ServerProgram& operator=(const ServerProgram&) = delete;

  /// Until it is ready. False when it does not get there; log() says why.
  bool start(const std::vector<std::string>& environment = {},
             const std::vector<std::string>& overrides = {}) {
    launch({.environment = environment, .errors = folder_ / "server.log"}, overrides);
    return isReady();
  }
  /// Waits for the line that says so; false when something else comes.
  bool isReady() {
    ready_ = program_->heard();
    const std::string before = "nephrite server: ready on port ";
    if (!ready_.starts_with(before)) return false;
    port_ = static_cast<std::uint16_t>(std::stoi(ready_.substr(before.size())));
    return true;
  }
  /// The same without waiting for its readiness; `how` says all but the command.
  void launch(ChildProcess::Options how, const std::vector<std::string>& overrides = {},
              const std::string& before = "true") {
    // `before`: what the shell does that becomes the server.
    how.command = {"/bin/sh",
                   "-c",
                   before + "; exec \"$@\"",
                   "sh",
                   NEPHRITE_BINARY_DIR "/nephrite",
                   "server",
                   "--ini",
                   iniFile()};
    if (!overrides.empty()) how.command.emplace_back("--set");
    how.command.insert(how.command.end(), overrides.begin(), overrides.end());
    program_ = std::make_unique<ChildProcess>(std::move(how));
  }
  ChildProcess& program() { return *program_; }

  const std::filesystem::path& folder() const { return folder_; }
  std::string iniFile() const { return folder_ / "jade.ini"; }
  const std::string& readinessLine() const { return ready_; }
  std::uint16_t port() const { return port_; }
  std::string log() const {
    std::stringstream text;
    text << std::ifstream(folder_ / "server.log").rdbuf();
    return text.str();
  }

  /// Of [NephriteServer] AuditLog=audit.log, as soon as it tells of `awaited`: it is written a
  /// moment after that was done.
  std::string auditLog(const std::string& awaited) const {
    std::string all;
    EXPECT_TRUE(eventually([&] {
      std::stringstream text;
      text << std::ifstream(folder_ / "audit.log").rdbuf();
      all = text.str();
      return all.ends_with('\n') && all.find(awaited) != std::string::npos;
    }));
    return all;
  }

  /// What an operator's verb finds it by.
  std::string connectArgument() const {
    return " --connect Unix," + (folder_ / "run/node.sock").string();
  }
  /// Overrides with which a client node finds it: by the unix socket, or by a TCP port.
  std::vector<std::string> bySocket() const {
    return {"JadeClient.ServerNodeSpecifications=Unix, " + (folder_ / "run/node.sock").string()};
  }
  static std::vector<std::string> byPort(std::uint16_t port) {
    return {"JadeClient.ServerNodeSpecifications=TcpIP, 127.0.0.1, " + std::to_string(port)};
  }

  std::unique_ptr<ClientNode> clientHere(const std::string& name,
                                         const std::vector<std::string>& overrides) const {
    return std::make_unique<ClientNode>(
        ClientNode::Options{.iniFile = iniFile(), .iniOverrides = overrides, .nodeName = name});
  }
  std::unique_ptr<ChildProcess> clientProgram(const std::string& name,
                                              const std::vector<std::string>& overrides) const {
    std::vector<std::string> command{NEPHRITE_BINARY_DIR "/remote_client", iniFile(), name};
    command.insert(command.end(), overrides.begin(), overrides.end());
    auto program = std::make_unique<ChildProcess>(
        ChildProcess::Options{.command = command, .errors = folder_ / (name + ".log")});
    EXPECT_EQ(program->heard(), "ready");
    return program;
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<ChildProcess> program_;
  std::string ready_;
  std::uint16_t port_ = 0;
};

/// What follows "ok " in an answer of remote_client; empty when it is no "ok".
inline std::string okOf(const std::string& answer) {
  return answer.starts_with("ok ") ? answer.substr(3) : std::string();
}

}  // namespace nephrite
