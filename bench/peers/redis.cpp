// Redis: `SET key token NX` as the lock and `DEL key` as its release, at a private server without
// persistence, over loopback TCP and a unix socket.

#include <hiredis/hiredis.h>

#include <cstring>
#include <numeric>

#include "bench/peers/remote_load.h"

namespace {

using namespace peers;

constexpr const char* kSystem = "redis";
constexpr std::size_t kKeysOfEach = 1000;
constexpr std::size_t kPipelined = 16;

using Reply = std::unique_ptr<redisReply, void (*)(void*)>;

class Server {
 public:
  Server()
      : port_(freePort()),
        socket_(scratch_.path() / "redis.sock"),
        process_({.words = {"redis-server", "--port", std::to_string(port_), "--bind", "127.0.0.1",
                            "--unixsocket", socket_.string(), "--save", "", "--appendonly", "no",
                            "--daemonize", "no", "--dir", scratch_.path().string()},
                  .log = scratch_.path() / "log"},
                 [this] { return serves(); }) {}

  redisContext* connect(bool tcp) const {
    redisContext* made =
        tcp ? ::redisConnect("127.0.0.1", port_) : ::redisConnectUnix(socket_.c_str());
    require(made != nullptr && made->err == 0, "cannot connect to redis-server");
    const timeval tenSeconds{10, 0};
    ::redisSetTimeout(made, tenSeconds);
    return made;
  }
  const PrivateServer& process() const { return process_; }

 private:
  /// It listens on TCP first, on the unix socket last.
  bool serves() const {
    redisContext* tried = ::redisConnectUnix(socket_.c_str());
    const bool connected = tried != nullptr && tried->err == 0;
    ::redisFree(tried);
    return connected;
  }

  ScratchDirectory scratch_;
  std::uint16_t port_;
  std::filesystem::path socket_;
  PrivateServer process_;
};

class Connection {
 public:
  Connection(const Server& server, bool tcp) : context_(server.connect(tcp), ::redisFree) {}

  int socket() const { return context_->fd; }

  void append(std::initializer_list<const std::string*> words) {
    const char* bytes[8];
    std::size_t sizes[8];
    int count = 0;
    for (const std::string* word : words) {
      bytes[count] = word->data();
      sizes[count++] = word->size();
    }
    require(::redisAppendCommandArgv(context_.get(), count, bytes, sizes) == REDIS_OK,
            "cannot encode a command");
  }
  void append(const std::vector<std::string>& words) {
    std::vector<const char*> bytes;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      bytes.push_back(word.data());
      sizes.push_back(word.size());
    }
    ::redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), bytes.data(),
                             sizes.data());
  }
  void flush() {
    for (int done = 0; done == 0;) {
      require(::redisBufferWrite(context_.get(), &done) == REDIS_OK, context_->errstr);
    }
  }
  void read() { require(::redisBufferRead(context_.get()) == REDIS_OK, context_->errstr); }

  /// What has come already; none when there is no whole answer yet.
  Reply arrived() {
    void* reply = nullptr;
    require(::redisGetReplyFromReader(context_.get(), &reply) == REDIS_OK, context_->errstr);
    return {static_cast<redisReply*>(reply), ::freeReplyObject};
  }
  Reply wait() {
    void* reply = nullptr;
    require(::redisGetReply(context_.get(), &reply) == REDIS_OK, context_->errstr);
    return {static_cast<redisReply*>(reply), ::freeReplyObject};
  }
  Reply ask(const std::vector<std::string>& words) {
    append(words);
    return wait();
  }

 private:
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

bool isOk(const Reply& reply) {
  return reply->type == REDIS_REPLY_STATUS && std::strcmp(reply->str, "OK") == 0;
}

const std::string kSet = "SET", kDel = "DEL", kNx = "NX";

/// Lock and unlock; each answer is looked at: OK for the lock, 1 for the unlock.
class LockSession final : public Session {
 public:
  enum class Style {
    Plain,             ///< Waits for the lock, then for the unlock: two round trips.
    UnlockNotAwaited,  ///< Waits for the lock; the answer of the unlock comes with the next one.
    Pipelined,         ///< kPipelined locks with their unlocks at once.
  };

  LockSession(const Server& server, bool tcp, Style style, std::size_t number)
      : connection_(server, tcp), style_(style), token_("owner-" + std::to_string(number)) {
    for (std::size_t key = 0; key < kKeysOfEach; ++key) {
      keys_.push_back("lock:" + std::to_string(number) + ":" + std::to_string(key));
    }
  }

  int socket() const override { return connection_.socket(); }

  void begin() override {
    for (std::size_t i = 0; i < (style_ == Style::Pipelined ? kPipelined : 1); ++i) {
      next_ = (next_ + 1) % kKeysOfEach;
      lock();
      if (style_ == Style::Pipelined) unlock();
    }
    connection_.flush();
  }

  bool proceed() override {
    connection_.read();
    while (const Reply reply = connection_.arrived()) {
      const bool locked = expectLock_.at(answered_++ % expectLock_.size());
      require(locked ? isOk(reply) : reply->integer == 1,
              locked ? "a free key was not locked" : "an unlock found nothing");
      const bool last = answered_ == asked_;
      if (style_ != Style::Pipelined && locked) {
        unlock();
        connection_.flush();
        if (style_ == Style::UnlockNotAwaited) return true;
      } else if (last && style_ != Style::UnlockNotAwaited) {
        return true;
      }
    }
    return false;
  }

 private:
  void lock() {
    connection_.append({&kSet, &keys_[next_], &token_, &kNx});
    ++asked_;
  }
  void unlock() {
    connection_.append({&kDel, &keys_[next_]});
    ++asked_;
  }

  Connection connection_;
  const Style style_;
  const std::string token_;
  std::vector<std::string> keys_;
  std::size_t next_ = 0;
  const std::vector<bool> expectLock_{true, false};  // The answers alternate.
  std::size_t asked_ = 0, answered_ = 0;
};

/// Throws unless a second client is refused a locked key and gets an unlocked one.
double proveExclusive(const Server& server) {
  Connection one(server, true), two(server, false);
  double refused = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "proof:" + std::to_string(i);
    require(isOk(one.ask({kSet, key, "one", kNx})), "a free key was not locked");
    require(two.ask({kSet, key, "two", kNx})->type == REDIS_REPLY_NIL, "two clients have one key");
    ++refused;
    require(one.ask({kDel, key})->integer == 1, "an unlock found nothing");
    require(isOk(two.ask({kSet, key, "two", kNx})), "an unlocked key was not locked");
    require(two.ask({kDel, key})->integer == 1, "an unlock found nothing");
  }
  return refused;
}

void remote() {
  const Server server;
  const double refused = proveExclusive(server);
  using Style = LockSession::Style;
  for (const bool tcp : {true, false}) {
    for (const std::size_t connections : {1, 8, 64}) {
      for (const Style style : {Style::Plain, Style::Pipelined, Style::UnlockNotAwaited}) {
        Sessions sessions;
        for (std::size_t i = 0; i < connections; ++i) {
          sessions.push_back(std::make_unique<LockSession>(server, tcp, style, i));
        }
        std::string variant = counted(connections, "connection") + (tcp ? ", tcp" : ", unix");
        if (style == Style::Pipelined) variant += ", pipelined 16";
        if (style == Style::UnlockNotAwaited) variant += ", unlock not awaited";
        measureRemote({.system = kSystem,
                       .name = "remote",
                       .variant = variant,
                       .perBatch = style == Style::Pipelined ? kPipelined : 1,
                       .seconds = 0.15},
                      sessions, server.process(), {{"second_locker_refused", refused}});
      }
    }
  }
}

/// MSETNX: a thousand keys or none. The unlock, one DEL, is not timed.
void vector1000() {
  const Server server;
  constexpr int kRounds = 200, kWarmUp = 20;
  for (const bool tcp : {true, false}) {
    Connection client(server, tcp), other(server, tcp);
    std::vector<std::string> lock{"MSETNX"}, unlock{kDel};
    for (int i = 0; i < 1000; ++i) {
      lock.insert(lock.end(), {"lock:" + std::to_string(i), "owner-1"});
      unlock.push_back("lock:" + std::to_string(i));
    }
    std::vector<double> times;
    double cpu = 0, serverCpu = 0;
    for (int round = -kWarmUp; round < kRounds; ++round) {
      const double before = server.process().cpuNs();
      const Stopwatch watch;
      require(client.ask(lock)->integer == 1, "a thousand free keys were not locked");
      if (round >= 0) {
        times.push_back(watch.wall());
        cpu += watch.cpu();
        serverCpu += server.process().cpuNs() - before;
      }
      require(other.ask({kSet, "lock:500", "two", kNx})->type == REDIS_REPLY_NIL,
              "one of the thousand is not held");
      require(client.ask(unlock)->integer == 1000, "not all of the thousand were unlocked");
    }
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / kRounds;
    print({.system = kSystem,
           .name = "vector_1000",
           .variant = tcp ? "1 connection, tcp" : "1 connection, unix",
           .ops = kRounds,
           .wallNs = mean,
           .cpuNs = cpu / kRounds,
           .p50Ns = percentile(times, 0.5),
           .p99Ns = percentile(times, 0.99),
           .extra = {{"server_cpu_ns", serverCpu / kRounds},
                     {"second_locker_refused", kRounds + kWarmUp}}});
  }
}

void memoryHeld1m() {
  const Server server;
  Connection client(server, false);
  constexpr int kLocks = 1'000'000, kAtOnce = 1000;
  const auto resident = [&] { return statusField(server.process().pid(), "VmRSS:") * 1024; };
  const double before = resident(), cpuBefore = server.process().cpuNs();
  const Stopwatch watch;
  for (int first = 0; first < kLocks; first += kAtOnce) {
    for (int i = first; i < first + kAtOnce; ++i) {
      const std::string key = "lock:" + std::to_string(i), token = "owner-1";
      client.append({&kSet, &key, &token, &kNx});
    }
    for (int i = 0; i < kAtOnce; ++i) require(isOk(client.wait()), "a free key was not locked");
  }
  const double wall = watch.wall() / kLocks, cpu = watch.cpu() / kLocks;
  const double serverCpu = (server.process().cpuNs() - cpuBefore) / kLocks;
  require(client.ask({"DBSIZE"})->integer == kLocks, "not all of the million are held");
  const double held = resident();
  require(isOk(client.ask({"FLUSHDB"})), "FLUSHDB failed");
  print({.system = kSystem,
         .name = "memory_held_1m",
         .ops = kLocks,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"bytes_per_lock", (held - before) / kLocks},
                   {"bytes_after_release", resident() - before},
                   {"server_cpu_ns", serverCpu}}});
}

}  // namespace

int main(int argc, char** argv) {
  return runPeer(
      argc, argv,
      {{"remote", "SET NX + DEL; 1, 8, 64 connections; tcp and unix; plain and pipelined", remote},
       {"vector_1000", "1,000 locks in one request: MSETNX", vector1000},
       {"memory_held_1m", "memory of the server with 1,000,000 keys", memoryHeld1m}});
}
