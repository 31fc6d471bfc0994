// etcd: the lock service of its v3 API through the HTTP JSON gateway (/v3/lock/lock and
// /v3/lock/unlock), at a private server of one member with its data on disk and fsync as it comes.
// Plain sockets, one HTTP connection kept open for each session, and a lease for each.

#include <poll.h>
#include <unistd.h>

#include <cstring>

#include "bench/peers/remote_load.h"

namespace {

using namespace peers;

constexpr const char* kSystem = "etcd";

std::string base64(const std::string& text) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      bits = bits << 8 | (j < text.size() ? static_cast<unsigned char>(text[j]) : 0u);
    }
    for (int j = 0; j < 4; ++j) result += kDigits[bits >> (18 - 6 * j) & 63];
    if (i + 3 > text.size()) {
      const std::size_t missing = i + 3 - text.size();
      result.replace(result.size() - missing, missing, missing, '=');
    }
  }
  return result;
}

/// The string or number after "name": in a flat JSON answer; "" when it is not there.
std::string valueOf(const std::string& json, const std::string& name) {
  const std::size_t at = json.find("\"" + name + "\":\"");
  if (at == std::string::npos) return "";
  const std::size_t first = at + name.size() + 4;
  return json.substr(first, json.find('"', first) - first);
}

class Http {
 public:
  explicit Http(std::uint16_t port) : socket_(connectTcp(port)) {
    require(socket_ >= 0, "cannot connect to etcd");
  }
  ~Http() { ::close(socket_); }
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  int socket() const { return socket_; }

  void send(const char* path, const std::string& body) {
    const std::string request = std::string("POST ") + path +
                                " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                                "application/json\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body;
    require(
        ::write(socket_, request.data(), request.size()) == static_cast<ssize_t>(request.size()),
        "cannot write to etcd");
  }

  /// Reads once. True when an answer is whole; its body is then body().
  bool read() {
    char bytes[4096];
    const ssize_t got = ::read(socket_, bytes, sizeof(bytes));
    require(got > 0, "etcd has closed the connection");
    input_.append(bytes, static_cast<std::size_t>(got));
    const std::size_t headEnd = input_.find("\r\n\r\n");
    if (headEnd == std::string::npos) return false;
    static constexpr char kLength[] = "Content-Length: ";
    const std::size_t length = input_.find(kLength);
    require(length < headEnd, "an answer of etcd does not say its length");
    const std::size_t size =
        std::strtoul(input_.c_str() + length + sizeof(kLength) - 1, nullptr, 10);
    if (input_.size() < headEnd + 4 + size) return false;
    body_ = input_.substr(headEnd + 4, size);
    const bool ok = input_.starts_with("HTTP/1.1 200");
    input_.erase(0, headEnd + 4 + size);
    if (!ok) throw std::runtime_error("etcd answered " + body_);
    return true;
  }
  const std::string& body() const { return body_; }

  const std::string& ask(const char* path, const std::string& body) {
    send(path, body);
    while (!read()) {
    }
    return body_;
  }

 private:
  int socket_;
  std::string input_, body_;
};

class Server {
 public:
  Server()
      : port_(freePort()),
        peerPort_(freePort()),
        process_({.words = {"etcd", "--name", "peer", "--data-dir",
                            (scratch_.path() / "data").string(), "--listen-client-urls", url(port_),
                            "--advertise-client-urls", url(port_), "--listen-peer-urls",
                            url(peerPort_), "--initial-advertise-peer-urls", url(peerPort_),
                            "--initial-cluster", "peer=" + url(peerPort_), "--log-level", "error"},
                  .log = scratch_.path() / "log"},
                 [this] { return serves(); }) {}

  std::uint16_t port() const { return port_; }
  bool onDisk() const { return scratch_.onDisk(); }
  const PrivateServer& process() const { return process_; }

 private:
  static std::string url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }
  /// It listens before it has a leader: only an answer counts.
  bool serves() const {
    try {
      return valueOf(Http(port_).ask("/v3/lease/grant", R"({"TTL":60})"), "ID") != "";
    } catch (const std::exception&) {
      return false;
    }
  }

  ScratchDirectory scratch_;
  std::uint16_t port_, peerPort_;
  PrivateServer process_;
};

class LockSession final : public Session {
 public:
  /// Objects of its own, or with `hot` the one that all contend for.
  LockSession(const Server& server, std::size_t number, bool hot)
      : http_(server.port()), number_(number), hot_(hot) {
    lease_ = valueOf(http_.ask("/v3/lease/grant", R"({"TTL":600})"), "ID");
    require(!lease_.empty(), "etcd granted no lease");
  }

  int socket() const override { return http_.socket(); }

  void begin() override {
    next_ = (next_ + 1) % 1000;
    lock(hot_ ? "hot" : "lock-" + std::to_string(number_) + "-" + std::to_string(next_));
  }
  bool proceed() override {
    if (!http_.read()) return false;
    if (locked_) {
      locked_ = false;
      return true;
    }
    unlock();
    return false;
  }

  void lock(const std::string& object) {
    http_.send("/v3/lock/lock",
               R"({"name":")" + base64(object) + R"(","lease":")" + lease_ + "\"}");
  }
  /// After the answer of a lock.
  void unlock() {
    const std::string key = valueOf(http_.body(), "key");
    require(!key.empty(), "etcd granted a lock without a key");
    locked_ = true;
    http_.send("/v3/lock/unlock", R"({"key":")" + key + "\"}");
  }
  Http& http() { return http_; }

 private:
  Http http_;
  const std::size_t number_;
  const bool hot_;
  std::string lease_;
  std::size_t next_ = 0;
  bool locked_ = false;  // And its unlock is under way.
};

bool answersWithin(int milliseconds, const Session& session) {
  pollfd polled{session.socket(), POLLIN, 0};
  return ::poll(&polled, 1, milliseconds) > 0;
}

/// A second locker waits for as long as the first one holds, and is granted afterwards.
double proveExclusive(const Server& server) {
  LockSession one(server, 1000, false), two(server, 1001, false);
  double waited = 0;
  for (int i = 0; i < 5; ++i) {
    one.lock("proof");
    while (!one.http().read()) {
    }
    two.lock("proof");
    require(!answersWithin(20, two), "etcd has granted one lock to two sessions");
    ++waited;
    one.unlock();
    while (!one.proceed()) {
    }
    while (!two.http().read()) {
    }
    two.unlock();
    while (!two.proceed()) {
    }
  }
  return waited;
}

void remote() {
  const Server server;
  const double waited = proveExclusive(server);
  for (const std::size_t connections : {1, 8, 64}) {
    Sessions sessions;
    for (std::size_t i = 0; i < connections; ++i) {
      sessions.push_back(std::make_unique<LockSession>(server, i, false));
    }
    measureRemote({.system = kSystem,
                   .name = "remote",
                   .variant = counted(connections, "connection") + ", tcp",
                   .seconds = 0.6},
                  sessions, server.process(),
                  {{"second_locker_waited", waited}, {"on_disk", server.onDisk() ? 1 : 0}});
  }
}

void handover() {
  const Server server;
  const double waited = proveExclusive(server);
  for (const std::size_t waiters : {2, 8, 32, 128}) {
    Sessions sessions;
    for (std::size_t i = 0; i < waiters; ++i) {
      sessions.push_back(std::make_unique<LockSession>(server, i, true));
    }
    measureRemote({.system = kSystem,
                   .name = "handover",
                   .variant = counted(waiters, "waiter"),
                   .seconds = 0.8,
                   .countSwitches = true},
                  sessions, server.process(), {{"second_locker_waited", waited}});
  }
}

/// Asking again under the same lease: the key is there already.
class AgainSession final : public Session {
 public:
  explicit AgainSession(LockSession& session) : session_(session) {}
  int socket() const override { return session_.socket(); }
  void begin() override { session_.lock("again"); }
  bool proceed() override { return session_.http().read(); }

 private:
  LockSession& session_;
};

void reentrant() {
  const Server server;
  LockSession holder(server, 0, false), other(server, 1, false);
  Sessions sessions;
  sessions.push_back(std::make_unique<AgainSession>(holder));
  measureRemote(
      {.system = kSystem, .name = "reentrant", .variant = "1 connection, tcp", .seconds = 0.5},
      sessions, server.process());
  other.lock("again");
  require(!answersWithin(50, other), "the lock was not held");
  holder.unlock();
  require(answersWithin(5'000, other), "one unlock did not free the lock");
}

}  // namespace

int main(int argc, char** argv) {
  return runPeer(
      argc, argv,
      {{"remote", "lock + unlock over the HTTP JSON gateway; 1, 8, 64 connections", remote},
       {"handover", "2 to 128 sessions contend for one lock", handover},
       {"reentrant", "asking again for a held lock: a round trip", reentrant}});
}
