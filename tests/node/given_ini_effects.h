#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/client/connected_database.h"
#include "node/client_node.h"
#include "node/embedded_node.h"
#include "node/server_node.h"
#include "node/wire/messages.h"
#include "tests/support/child_process.h"

namespace nephrite {

/// Calls of the system that this whole program has made: it has wrappers of its own around them.
struct SystemCalls {
  static std::size_t epollsWithoutWaiting();
  static std::size_t pollsWithoutWaiting();
  static std::size_t syncs();
};

/// A client without any of our client code: says what it is told to, and reads when it is told to.
class RawPeer {
 public:
  explicit RawPeer(const std::filesystem::path& unixSocket);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void say(const wire::FromClient& message);
  bool hearsSomething() const { return hearsAtLeast(1); }
  bool hearsAtLeast(std::size_t bytes) const;
  bool isHungUpOn(std::chrono::milliseconds within) const;

  static bool canConnect(const char* address, std::uint16_t port);
  static std::uint16_t freePort();

 private:
  const int socket_;
  std::uint64_t sequence_ = 0;
};

/// A server that accepts whoever comes and then does one thing at most.
class SilentServer {
 public:
  enum class Welcomes { Yes, No, HangsUp };
  explicit SilentServer(Welcomes welcomes);
  ~SilentServer();
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  std::uint16_t port() const;
  /// Accepts until it has `connections` in all.
  bool hasAccepted(std::size_t connections, std::chrono::milliseconds within);

 private:
  const Welcomes welcomes_;
  const int listener_;
  std::vector<int> accepted_;
};

/// Given: an INI file that a test writes, and nodes of every kind that start with it, in a folder
/// of its own. `ByReload`: they start with the defaults, and the test's lines come by a reload.
class GivenIniEffects {
 public:
  enum class Taken { AtStart, ByReload };

  explicit GivenIniEffects(Taken taken);
  ~GivenIniEffects();
  GivenIniEffects(const GivenIniEffects&) = delete;
  GivenIniEffects& operator=(const GivenIniEffects&) = delete;

  /// `lines`: whole sections. They come before what every test needs, and so count first.
  void write(const std::string& lines) const;
  std::filesystem::path iniFile() const { return folder_ / "jade.ini"; }
  const std::filesystem::path& folder() const { return folder_; }

  std::unique_ptr<EmbeddedNode> embedded(const std::string& lines) const;
  std::unique_ptr<ServerNode> server(const std::string& lines) const;
  /// A client node of the server at this folder's socket.
  std::unique_ptr<ClientNode> client(const std::string& lines) const;
  std::unique_ptr<ClientNode> client() const;
  /// A client that tries to connect to `port`.
  std::unique_ptr<ConnectedDatabase> connecting(const std::string& lines, std::uint16_t port) const;

  /// A new object of class Order with a note of `bytes`, committed.
  static Object newOrder(Process& process, std::size_t bytes = 1);
  /// How long a process of `node` waits in vain for a lock that another one keeps.
  static std::chrono::milliseconds waitOf(Node& node, bool background);
  /// Two processes deadlock: how many of them are refused?
  static int refusedByDeadlock(Node& node);
  /// 100 objects of 100 KB are committed: how many of them are still in memory?
  static std::size_t cachedOf10M(EmbeddedNode& node);
  /// The messages that a client sends to read one object 100 times.
  static std::uint64_t askedFor100Reads(ClientNode& client);
  /// The messages that it sends to read 100 objects of 100 KB for a second time.
  static std::uint64_t askedToRead10MAgain(ClientNode& client);
  static wire::Status statusOf(ClientNode& client);
  /// A client greets and hangs up; the server has noticed when this returns.
  void loseASession() const;
  /// A client that asks for half a megabyte `times` times and reads nothing.
  std::unique_ptr<RawPeer> readerOfNothing(ServerNode& server, int times) const;
  /// What the refusal of `action` says.
  static std::string refusal(const std::function<void()>& action);
  /// Is a line of `event` written while `action` runs?
  static bool logged(std::string_view event, const std::function<void()>& action);
  static std::chrono::milliseconds timeOf(const std::function<void()>& action);
  static std::size_t threads();
  static std::string contentOf(const std::filesystem::path& file);
  /// Makes a store of some objects and flips a bit in one of its tables.
  void damageTheStore() const;

 private:
  const Taken taken_;
  std::filesystem::path folder_;
};

}  // namespace nephrite
