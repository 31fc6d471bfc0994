// The bare round trip: what any remote lock has to pay.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

#include "bench/driver/driver.h"
#include "bench/driver/server_process.h"
#include "bench/driver/threads.h"
#include "bench/floors/floors.h"

namespace bench::floors {
namespace {

constexpr std::size_t kBytes = 128, kPipelined = 16;

/// Listens at 127.0.0.1, or at a socket in the file system.
class Listener {
 public:
  explicit Listener(const std::string& unixPath) : isTcp_(unixPath.empty()) {
    tcp_.sin_family = AF_INET;
    tcp_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unix_.sun_family = AF_UNIX;
    require(unixPath.size() < sizeof(unix_.sun_path), unixPath + " is too long for a socket");
    std::strcpy(unix_.sun_path, unixPath.c_str());
    socket_ = ::socket(address()->sa_family, SOCK_STREAM, 0);
    require(::bind(socket_, address(), length()) == 0, "cannot bind the echo's socket");
    require(::listen(socket_, 128) == 0, "cannot listen at the echo's socket");
    socklen_t size = sizeof(tcp_);
    if (isTcp_) ::getsockname(socket_, reinterpret_cast<sockaddr*>(&tcp_), &size);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int socket() const { return socket_; }
  int connect() const {
    const int made = ::socket(address()->sa_family, SOCK_STREAM, 0);
    require(::connect(made, address(), length()) == 0, "cannot reach the echo");
    withoutDelay(made);
    return made;
  }
  void withoutDelay(int of) const {
    const int on = 1;
    if (isTcp_) ::setsockopt(of, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }

 private:
  const sockaddr* address() const {
    return isTcp_ ? reinterpret_cast<const sockaddr*>(&tcp_)
                  : reinterpret_cast<const sockaddr*>(&unix_);
  }
  socklen_t length() const { return isTcp_ ? sizeof(tcp_) : sizeof(unix_); }

  const bool isTcp_;
  sockaddr_in tcp_{};
  sockaddr_un unix_{};
  int socket_ = -1;
};

[[noreturn]] void serve(const Listener& listener) {
  const int poll = ::epoll_create1(0);
  const auto watch = [&](int socket) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
  };
  watch(listener.socket());
  std::array<epoll_event, 128> events;
  std::array<char, 65536> bytes;
  for (;;) {
    const int ready = ::epoll_wait(poll, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int socket = events[static_cast<std::size_t>(i)].data.fd;
      if (socket == listener.socket()) {
        const int accepted = ::accept(socket, nullptr, nullptr);
        listener.withoutDelay(accepted);
        watch(accepted);
        continue;
      }
      const ssize_t got = ::read(socket, bytes.data(), bytes.size());
      if (got <= 0 || ::write(socket, bytes.data(), static_cast<std::size_t>(got)) != got) {
        ::close(socket);
      }
    }
  }
}

/// One end of a connection; sends `messages` at once and reads until all are back.
class Caller {
 public:
  Caller(int socket, std::size_t messages) : socket_(socket), bytes_(messages * kBytes) {}
  ~Caller() { ::close(socket_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void call() {
    const auto all = static_cast<ssize_t>(bytes_.size());
    require(::write(socket_, bytes_.data(), bytes_.size()) == all, "the echo does not take");
    for (ssize_t got = 0; got < all;) {
      const ssize_t more = ::read(socket_, bytes_.data(), static_cast<std::size_t>(all - got));
      require(more > 0, "the echo does not answer");
      got += more;
    }
  }

 private:
  const int socket_;
  std::vector<char> bytes_;
};

void measureEcho(const std::string& unixPath, std::size_t connections, std::size_t messages,
                 Placement placement) {
  if (!placeServer(placement)) return;
  const Listener listener(unixPath);
  const ServerProcess server([&] { serve(listener); });
  placeClients(placement);
  Together together = inThreads({.threads = connections,
                                 .warmUp = 0.05,
                                 .seconds = 0.2,
                                 .timed = true,
                                 .server = server.pid()},
                                [&](std::size_t) {
                                  return [caller = std::make_shared<Caller>(
                                              listener.connect(), messages)] { caller->call(); };
                                });
  print(figureOf(
      {.system = kSystem,
       .name = "echo",
       .variant = counted(connections, "connection") + (unixPath.empty() ? ", tcp" : ", unix") +
                  (messages > 1 ? ", pipelined 16" : "") + nameOf(placement)},
      together, messages));
}

}  // namespace

void echo() {
  const ScratchFolder scratch;
  int number = 0;
  for (const bool tcp : {true, false}) {
    const auto path = [&] {
      return tcp ? "" : (scratch.path() / std::to_string(++number)).string();
    };
    for (const Placement placement : {Placement::Free, Placement::TwoCores}) {
      for (const std::size_t connections : {1u, 8u, 64u}) {
        for (const std::size_t messages : {std::size_t{1}, kPipelined}) {
          measureEcho(path(), connections, messages, placement);
        }
      }
    }
    measureEcho(path(), 1, 1, Placement::OneCore);
  }
}

}  // namespace bench::floors
