#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <string>
#include <system_error>
#include <vector>

namespace nephrite {
namespace {

using Moment = std::chrono::steady_clock::time_point;
constexpr std::size_t kMostUnderWay = 4u << 20;  // Then the sender feels it.

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void mustWork(bool works, const char* what) {
  if (!works) throw std::system_error(errno, std::generic_category(), what);
}

/// Bytes from one socket to another.
struct Flow {
  struct Piece {
    std::string bytes;
    Moment due;
  };
  std::deque<Piece> pieces;
  std::size_t size = 0;
  bool ended = false;  // Its sender closed; its receiver is told when all has gone on.

  bool wantsToRead() const { return !ended && size < kMostUnderWay; }
  bool isDue(Moment now) const { return !pieces.empty() && pieces.front().due <= now; }

  void read(int from, std::chrono::milliseconds delay) {
    std::array<char, 65536> chunk;
    const auto got = ::recv(from, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got > 0) {
      pieces.push_back({std::string(chunk.data(), static_cast<std::size_t>(got)),
                        std::chrono::steady_clock::now() + delay});
      size += static_cast<std::size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended = true;
    }
  }
  /// False when the receiver is gone.
  bool write(int to, Moment now) {
    while (isDue(now)) {
      std::string& bytes = pieces.front().bytes;
      const auto sent = ::send(to, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      size -= static_cast<std::size_t>(sent);
      bytes.erase(0, static_cast<std::size_t>(sent));
      if (bytes.empty()) pieces.pop_front();
    }
    return true;
  }
};

}  // namespace

struct FaultProxy::Link {
  int client = -1;
  int server = -1;  // -1: leads nowhere.
  Flow toServer;
  Flow toClient;

  void close() const {
    ::close(client);
    if (server >= 0) ::close(server);
  }
};

FaultProxy::FaultProxy(std::uint16_t server)
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      server_(server) {
  mustWork(listener_ >= 0 && wake_ >= 0, "making the sockets of a fault proxy");
  sockaddr_in address = loopback(0);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  mustWork(::bind(listener_, any, sizeof(address)) == 0, "binding a fault proxy");
  mustWork(::listen(listener_, 1024) == 0, "listening as a fault proxy");
  socklen_t size = sizeof(address);
  mustWork(::getsockname(listener_, any, &size) == 0, "asking for the port of a fault proxy");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FaultProxy::~FaultProxy() {
  over_ = true;
  change([] {});
  thread_.join();
  for (const Link& link : links_) link.close();
  ::close(listener_);
  ::close(wake_);
}

void FaultProxy::change(const std::function<void()>& what) {
  const std::scoped_lock hold(mutex_);
  what();
  ::eventfd_write(wake_, 1);
}

void FaultProxy::setServer(std::uint16_t port) {
  change([&] { server_ = port; });
}

void FaultProxy::cut() {
  change([&] {
    for (const Link& link : links_) link.close();
    links_.clear();
  });
}

void FaultProxy::hold(Way way) {
  change([&] {
    if (way != Way::ToClient) holdToServer_ = true;
    if (way != Way::ToServer) holdToClient_ = true;
  });
}

void FaultProxy::release(Way way) {
  change([&] {
    if (way != Way::ToClient) holdToServer_ = false;
    if (way != Way::ToServer) holdToClient_ = false;
  });
}

void FaultProxy::delay(std::chrono::milliseconds by) {
  change([&] { delay_ = by; });
}

void FaultProxy::blackHole(bool on) {
  change([&] { blackHole_ = on; });
}

std::size_t FaultProxy::connections() const {
  const std::scoped_lock hold(mutex_);
  return links_.size();
}

std::size_t FaultProxy::bytesHeld(Way way) const {
  const std::scoped_lock hold(mutex_);
  std::size_t bytes = 0;
  for (const Link& link : links_) {
    if (way != Way::ToClient) bytes += link.toServer.size;
    if (way != Way::ToServer) bytes += link.toClient.size;
  }
  return bytes;
}

void FaultProxy::accept() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  const int on = 1;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  Link link;
  link.client = client;
  if (!blackHole_) {
    link.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(server_);
    const auto* const there = reinterpret_cast<const sockaddr*>(&address);
    if (link.server < 0 || ::connect(link.server, there, sizeof(address)) != 0) return link.close();
    ::fcntl(link.server, F_SETFL, O_NONBLOCK);
    ::setsockopt(link.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  links_.push_back(std::move(link));
}

void FaultProxy::serve() {
  while (!over_) step();
}

void FaultProxy::step() {
  std::vector<pollfd> polled{{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
  int longest = -1;
  {
    const std::scoped_lock hold(mutex_);
    const Moment now = std::chrono::steady_clock::now();
    const auto events = [&](const Flow& in, const Flow& out, bool held) {
      const bool writes = !held && out.isDue(now);
      if (!held && !out.pieces.empty() && !writes) {
        const auto wait =
            std::chrono::ceil<std::chrono::milliseconds>(out.pieces.front().due - now);
        longest = longest < 0 ? int(wait.count()) : std::min(longest, int(wait.count()));
      }
      return static_cast<short>((in.wantsToRead() ? POLLIN : 0) | (writes ? POLLOUT : 0));
    };
    for (const Link& link : links_) {
      polled.push_back({link.client, events(link.toServer, link.toClient, holdToClient_), 0});
      polled.push_back({link.server, events(link.toClient, link.toServer, holdToServer_), 0});
      // A socket that is of no use for now would only wake us again and again.
      for (auto* one : {&polled.back(), &polled[polled.size() - 2]}) {
        if (one->events == 0) one->fd = -1;
      }
    }
  }
  ::poll(polled.data(), polled.size(), longest);

  const std::scoped_lock hold(mutex_);
  eventfd_t woken = 0;
  // Somebody has changed the connections: what was polled may be others.
  if (::eventfd_read(wake_, &woken) == 0) return;
  const Moment now = std::chrono::steady_clock::now();
  std::size_t at = 2;
  for (auto it = links_.begin(); it != links_.end(); at += 2) {
    Link& link = *it;
    if ((polled[at].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && link.toServer.wantsToRead()) {
      link.toServer.read(link.client, delay_);
    }
    if ((polled[at + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        link.toClient.wantsToRead()) {
      link.toClient.read(link.server, delay_);
    }
    bool alive = true;
    if (!holdToServer_ && link.server >= 0) alive &= link.toServer.write(link.server, now);
    if (!holdToClient_) alive &= link.toClient.write(link.client, now);
    // When one side has closed and all its bytes have gone on, the other is told.
    alive &=
        !(link.toServer.ended && (link.server < 0 || link.toServer.size == 0) && !holdToServer_);
    alive &= !(link.toClient.ended && link.toClient.size == 0 && !holdToClient_);
    if (alive) {
      ++it;
    } else {
      link.close();
      it = links_.erase(it);
    }
  }
  if ((polled[0].revents & POLLIN) != 0) accept();
}

}  // namespace nephrite
