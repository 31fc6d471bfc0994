#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace nephrite {

/// A TCP wire on this machine that can be broken: clients connect to port(), bytes go on to another
/// port and back.
///
/// Shape:   a connection is two sockets, and for each way the bytes that are under way. What is
/// held
///          back stays there, as in a network, and goes on after release().
/// Threads: any; one of its own carries the bytes. Each call has taken effect when it returns.
class FaultProxy {
 public:
  enum class Way { ToServer, ToClient, Both };

  explicit FaultProxy(std::uint16_t server);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::uint16_t port() const { return port_; }
  /// For connections that come from now on.
  void setServer(std::uint16_t port);

  /// Closes all connections on both sides; what was under way is lost.
  void cut();
  /// Half-open: bytes of that way go no further, the sockets stay open.
  void hold(Way way);
  void release(Way way = Way::Both);
  /// From now on each byte takes so long.
  void delay(std::chrono::milliseconds by);
  /// New connections are accepted and lead nowhere.
  void blackHole(bool on);

  std::size_t connections() const;
  /// That arrived here from clients and were not forwarded, of all connections.
  std::size_t bytesHeld(Way way) const;

 private:
  struct Link;
  void serve();
  void step();
  void accept();
  /// On the proxy's thread.
  void change(const std::function<void()>& what);

  int listener_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;
  mutable std::recursive_mutex mutex_;  // Held while the thread works, free while it waits.
  std::uint16_t server_;
  std::list<Link> links_;
  bool holdToServer_ = false;
  bool holdToClient_ = false;
  bool blackHole_ = false;
  std::chrono::milliseconds delay_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace nephrite
