// PostgreSQL 15: advisory locks and row locks (SELECT ... FOR UPDATE) as prepared statements, at a
// private cluster, over loopback TCP and a unix socket.

#include "bench/peers/postgres.h"

#include <poll.h>
#include <signal.h>

#include <numeric>

namespace {

using namespace peers;

constexpr const char* kAdvisory = "postgres_advisory";
constexpr const char* kRows = "postgres_rows";
constexpr std::int64_t kKeysOfEach = 1000;
constexpr std::size_t kPipelined = 16;
constexpr std::int64_t kHot = 7'000'000;

/// What the sessions below share: results are read without waiting, and each is looked at.
class StatementSession : public Session {
 public:
  StatementSession(const PostgresServer& server, bool tcp, bool rows, std::size_t number)
      : connection_(server, tcp, rows), first_(static_cast<std::int64_t>(number) * kKeysOfEach) {}

  int socket() const override { return ::PQsocket(connection_.get()); }
  bool blocks() const override { return false; }

 protected:
  /// The next result that is there; nothing when one has to wait for it.
  bool next(PGresult*& result) {
    if (::PQisBusy(connection_.get())) return false;
    result = ::PQgetResult(connection_.get());
    return true;
  }
  void consume() {
    require(::PQconsumeInput(connection_.get()) == 1, ::PQerrorMessage(connection_.get()));
  }
  static void requireTuple(PGresult* result, const char* expected) {
    const bool ok = ::PQresultStatus(result) == PGRES_TUPLES_OK && ::PQntuples(result) == 1 &&
                    (expected == nullptr || ::PQgetvalue(result, 0, 0)[0] == *expected);
    ::PQclear(result);
    require(ok, expected == nullptr ? "a lock was not granted" : "an unlock found nothing");
  }
  std::int64_t nextKey() { return first_ + (count_++ % kKeysOfEach); }

  PostgresConnection connection_;

 private:
  const std::int64_t first_;
  std::int64_t count_ = 0;
};

/// lock, its answer, unlock, its answer.
class AdvisorySession final : public StatementSession {
 public:
  AdvisorySession(const PostgresServer& server, bool tcp, std::size_t number, bool hot = false)
      : StatementSession(server, tcp, false, number), hot_(hot) {}

  void begin() override {
    key_ = hot_ ? kHot : nextKey();
    connection_.send("lock", key_);
    unlocking_ = false;
  }
  bool proceed() override {
    consume();
    PGresult* result = nullptr;
    while (next(result)) {
      if (result != nullptr) {
        requireTuple(result, unlocking_ ? "t" : nullptr);
      } else if (unlocking_) {
        return true;
      } else {
        unlocking_ = true;
        connection_.send("unlock", key_);
      }
    }
    return false;
  }

 private:
  const bool hot_;
  std::int64_t key_ = 0;
  bool unlocking_ = false;
};

/// kPipelined locks with their unlocks at once, one Sync behind them.
class PipelinedSession final : public StatementSession {
 public:
  PipelinedSession(const PostgresServer& server, bool tcp, std::size_t number)
      : StatementSession(server, tcp, false, number) {
    require(::PQenterPipelineMode(connection_.get()) == 1, "no pipeline mode");
  }

  void begin() override {
    for (std::size_t i = 0; i < kPipelined; ++i) {
      const std::int64_t key = nextKey();
      connection_.send("lock", key);
      connection_.send("unlock", key);
    }
    require(::PQpipelineSync(connection_.get()) == 1, "no sync");
    answers_ = 0;
  }
  bool proceed() override {
    consume();
    PGresult* result = nullptr;
    while (next(result)) {
      if (result == nullptr) continue;
      if (::PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        ::PQclear(result);
        require(answers_ == 2 * kPipelined, "answers are missing");
        return true;
      }
      requireTuple(result, answers_++ % 2 == 1 ? "t" : nullptr);
    }
    return false;
  }

 private:
  std::size_t answers_ = 0;
};

/// BEGIN and SELECT ... FOR UPDATE in one message, their answers, COMMIT, its answer: as many
/// round trips as an advisory lock has.
class RowSession final : public StatementSession {
 public:
  RowSession(const PostgresServer& server, bool tcp, std::size_t number, bool hot = false)
      : StatementSession(server, tcp, true, number), hot_(hot) {
    require(::PQenterPipelineMode(connection_.get()) == 1, "no pipeline mode");
  }

  void begin() override {
    connection_.send("begin");
    connection_.send("row", hot_ ? 0 : nextKey());
    sync();
    locked_ = committed_ = false;
  }
  bool proceed() override {
    consume();
    PGresult* result = nullptr;
    while (next(result)) {
      if (result == nullptr) continue;
      switch (::PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
          requireTuple(result, nullptr);
          locked_ = true;
          break;
        case PGRES_COMMAND_OK:
          ::PQclear(result);
          committed_ = locked_;
          break;
        case PGRES_PIPELINE_SYNC:
          ::PQclear(result);
          require(locked_, "a row was not locked");
          if (committed_) return true;
          connection_.send("commit");
          sync();
          break;
        default: ::PQclear(result); throw std::runtime_error(::PQerrorMessage(connection_.get()));
      }
    }
    return false;
  }

 private:
  void sync() { require(::PQpipelineSync(connection_.get()) == 1, "no sync"); }

  const bool hot_;
  bool locked_ = false, committed_ = false;
};

/// Asking again for what this session holds.
class AgainSession final : public StatementSession {
 public:
  AgainSession(const PostgresServer& server, bool tcp) : StatementSession(server, tcp, false, 0) {}

  void begin() override { connection_.send("lock", kHot); }
  bool proceed() override {
    consume();
    PGresult* result = nullptr;
    while (next(result)) {
      if (result == nullptr) return true;
      requireTuple(result, nullptr);
    }
    return false;
  }
};

void makeRows(const PostgresServer& server) {
  PostgresConnection setUp(server, false);
  setUp.ask("CREATE TABLE objects (id int8 PRIMARY KEY, value text)");
  setUp.ask("INSERT INTO objects SELECT id, repeat('x', 100) FROM generate_series(0, 63999) id");
  setUp.ask("VACUUM ANALYZE objects");
  setUp.ask("CHECKPOINT");
}

double proveAdvisory(const PostgresServer& server) {
  PostgresConnection one(server, true), two(server, false);
  double refused = 0;
  for (std::int64_t key = 1; key <= 100; ++key) {
    one.run("lock", key);
    require(two.run("tryLock", key) == "f", "two sessions hold one advisory lock");
    ++refused;
    require(one.run("unlock", key) == "t", "an unlock found nothing");
    require(two.run("tryLock", key) == "t", "an unlocked advisory lock was refused");
    require(two.run("unlock", key) == "t", "an unlock found nothing");
  }
  return refused;
}

double proveRows(const PostgresServer& server) {
  PostgresConnection one(server, true, true), two(server, false, true);
  double refused = 0;
  for (std::int64_t key = 1; key <= 100; ++key) {
    one.ask("BEGIN");
    require(one.run("row", key) == std::to_string(key), "a row was not locked");
    two.ask("BEGIN");
    require(two.run("tryRow", key) == "55P03", "two transactions hold one row");
    ++refused;
    two.ask("ROLLBACK");
    one.ask("COMMIT");
    two.ask("BEGIN");
    require(two.run("tryRow", key) == std::to_string(key), "an unlocked row was refused");
    two.ask("COMMIT");
  }
  return refused;
}

template <class Each, class... More>
void measure(const char* system, const PostgresServer& server, double refused,
             std::size_t connections, bool tcp, std::size_t perBatch, More... more) {
  Sessions sessions;
  for (std::size_t i = 0; i < connections; ++i) {
    sessions.push_back(std::make_unique<Each>(server, tcp, i, more...));
  }
  std::string variant = counted(connections, "connection") + (tcp ? ", tcp" : ", unix");
  if (perBatch > 1) variant += ", pipelined 16";
  measureRemote({.system = system,
                 .name = "remote",
                 .variant = variant,
                 .perBatch = perBatch,
                 .seconds = 0.15},
                sessions, server.process(), {{"second_locker_refused", refused}});
}

void remote() {
  const PostgresServer server;
  makeRows(server);
  const double advisory = proveAdvisory(server), rows = proveRows(server);
  for (const bool tcp : {true, false}) {
    for (const std::size_t connections : {1, 8, 64}) {
      measure<AdvisorySession>(kAdvisory, server, advisory, connections, tcp, 1);
      measure<PipelinedSession>(kAdvisory, server, advisory, connections, tcp, kPipelined);
      measure<RowSession>(kRows, server, rows, connections, tcp, 1);
    }
  }
}

template <class Each>
void contend(const char* system, const PostgresServer& server) {
  for (const std::size_t waiters : {2, 8, 32, 128}) {
    Sessions sessions;
    for (std::size_t i = 0; i < waiters; ++i) {
      sessions.push_back(std::make_unique<Each>(server, false, 0, true));
    }
    measureRemote({.system = system,
                   .name = "handover",
                   .variant = counted(waiters, "waiter"),
                   .seconds = 0.3,
                   .countSwitches = true},
                  sessions, server.process());
  }
}

void handover() {
  const PostgresServer server;
  makeRows(server);
  proveAdvisory(server);
  contend<AdvisorySession>(kAdvisory, server);
  contend<RowSession>(kRows, server);
}

/// A query that calls the lock functions for each of many numbers, minus one that does everything
/// but that: what the lock costs inside the server, without the wire.
void inServer(const char* name, const std::string& locks, const std::string& nothing) {
  constexpr int kOps = 300'000;
  const PostgresServer server;
  const double refused = proveAdvisory(server);
  PostgresConnection client(server, false), other(server, false);
  const std::string count = "SELECT count(*) FROM generate_series(1, 300000) g WHERE ";
  double wall = 0, cpu = 0, serverCpu = 0;
  for (const int pass : {0, 1, 2, 3}) {  // The first two warm up.
    const double sign = pass % 2 == 0 ? 1 : -1;
    const double before = server.process().cpuNs();
    const Stopwatch watch;
    require(client.ask(count + (sign > 0 ? locks : nothing)) == std::to_string(kOps),
            "not every lock was granted");
    if (pass < 2) continue;
    wall += sign * watch.wall() / kOps;
    if (sign > 0) cpu = watch.cpu() / kOps;
    serverCpu += sign * (server.process().cpuNs() - before) / kOps;
  }
  require(client.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") ==
              (locks.find("unlock") == std::string::npos ? "1" : "0"),
          "the locks are not what they should be");
  print({.system = kAdvisory,
         .name = name,
         .variant = "in the server",
         .ops = kOps,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"server_cpu_ns", serverCpu}, {"second_locker_refused", refused}}});
}

void uncontended1k() {
  inServer("uncontended_1k", "pg_try_advisory_lock(g % 1000) AND pg_advisory_unlock(g % 1000)",
           "int8gt(g % 1000, -1) AND int8gt(g % 1000, -2)");
}

void reentrant() {
  inServer("reentrant", "pg_try_advisory_lock(g % 1)", "int8gt(g % 1, -1)");
  const PostgresServer server;
  Sessions sessions;
  sessions.push_back(std::make_unique<AgainSession>(server, true));
  measureRemote({.system = kAdvisory, .name = "reentrant", .variant = "1 connection, tcp"},
                sessions, server.process());
  PostgresConnection other(server, true);
  require(other.run("tryLock", kHot) == "f", "the lock was not held");
}

void vector1000() {
  const PostgresServer server;
  constexpr int kRounds = 100, kWarmUp = 10;
  std::string keys = "{0";
  for (int key = 1; key < 1000; ++key) keys += "," + std::to_string(key);
  keys += "}";
  for (const bool tcp : {true, false}) {
    PostgresConnection client(server, tcp), other(server, tcp);
    PGresult* prepared =
        ::PQprepare(client.get(), "vector",
                    "SELECT count(pg_advisory_lock(k)) FROM unnest($1::int8[]) k", 1, nullptr);
    ::PQclear(prepared);
    const char* const values[] = {keys.c_str()};
    std::vector<double> times;
    double cpu = 0, serverCpu = 0;
    for (int round = -kWarmUp; round < kRounds; ++round) {
      const double before = server.process().cpuNs();
      const Stopwatch watch;
      const std::string granted =
          valueAndClear(::PQexecPrepared(client.get(), "vector", 1, values, nullptr, nullptr, 0));
      if (round >= 0) {
        times.push_back(watch.wall());
        cpu += watch.cpu();
        serverCpu += server.process().cpuNs() - before;
      }
      require(granted == "1000", "a thousand locks were not granted");
      require(other.run("tryLock", 500) == "f", "one of the thousand is not held");
      client.ask("SELECT pg_advisory_unlock_all()");
    }
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / kRounds;
    print({.system = kAdvisory,
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

/// The lock table is sized when the server starts; what counts is what the session that holds
/// the locks has touched of it, and its own memory.
void memoryHeld1m() {
  constexpr double kLocks = 1'000'000;
  const PostgresServer server({.lockSlots = 1'200'000});
  PostgresConnection client(server, false), other(server, false);
  const pid_t backend = std::stoi(client.ask("SELECT pg_backend_pid()"));
  client.ask("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000) g");
  client.ask("SELECT pg_advisory_unlock_all()");
  const auto shared = [&] { return statusField(backend, "RssShmem:") * 1024; };
  const auto own = [&] { return statusField(backend, "RssAnon:") * 1024; };
  const double sharedBefore = shared(), ownBefore = own(), cpuBefore = server.process().cpuNs();
  const double tables = std::stod(
      other.ask("SELECT sum(allocated_size) FROM pg_shmem_allocations WHERE name IN ('LOCK hash', "
                "'PROCLOCK hash')"));
  const Stopwatch watch;
  require(client.ask("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000000) g") ==
              "1000000",
          "not all of the million were granted");
  const double wall = watch.wall() / kLocks, cpu = watch.cpu() / kLocks;
  const double serverCpu = (server.process().cpuNs() - cpuBefore) / kLocks;
  const double sharedHeld = shared() - sharedBefore, ownHeld = own() - ownBefore;
  for (std::int64_t key = 1; key <= 1'000'000; key += 1000) {
    require(other.run("tryLock", key) == "f", "one of the million is not held");
  }
  const double releasing = nowNs();
  client.ask("SELECT pg_advisory_unlock_all()");
  const double released = (nowNs() - releasing) / kLocks;
  print({.system = kAdvisory,
         .name = "memory_held_1m",
         .ops = static_cast<std::uint64_t>(kLocks),
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"bytes_per_lock", (sharedHeld + ownHeld) / kLocks},
                   {"shared_bytes_per_lock", sharedHeld / kLocks},
                   {"session_bytes_per_lock", ownHeld / kLocks},
                   {"bytes_after_release", shared() - sharedBefore + own() - ownBefore},
                   {"table_headers_bytes", tables},
                   {"release_ns_per_lock", released},
                   {"server_cpu_ns", serverCpu},
                   {"second_locker_refused", 1000}}});
}

/// Two sessions hold a lock each and ask for the other's. PostgreSQL looks for a cycle only when
/// a wait has lasted deadlock_timeout.
std::pair<double, double> closeOneCycle(PostgresConnection& one, PostgresConnection& two,
                                        PostgresConnection& observer) {
  one.run("lock", 1);
  two.run("lock", 2);
  one.send("lock", 2);
  while (observer.ask("SELECT count(*) FROM pg_locks WHERE NOT granted") != "1") {
  }
  const Stopwatch watch;
  two.send("lock", 1);
  PGconn* const both[] = {one.get(), two.get()};
  std::pair<double, double> told;
  int deadlocks = 0;
  // Both end: one with the deadlock, then the other one with its lock. Take them as they come.
  pollfd polled[2] = {{::PQsocket(both[0]), POLLIN, 0}, {::PQsocket(both[1]), POLLIN, 0}};
  for (int over = 0; over < 2;) {
    require(::poll(polled, 2, 10'000) > 0, "a deadlock was not found for ten seconds");
    for (std::size_t i = 0; i < 2; ++i) {
      if (::PQtransactionStatus(both[i]) != PQTRANS_ACTIVE) continue;
      ::PQconsumeInput(both[i]);
      if (::PQisBusy(both[i])) continue;
      const std::string answer = valueAndClear(::PQgetResult(both[i]));
      if (answer == "40P01") {
        told = {watch.wall(), watch.cpu()};
        ++deadlocks;
      }
      while (PGresult* more = ::PQgetResult(both[i])) ::PQclear(more);
      (i == 0 ? one : two).ask("SELECT pg_advisory_unlock_all()");
      ++over;
    }
  }
  require(deadlocks == 1, "a cycle did not end in exactly one deadlock");
  return told;
}

void deadlock() {
  for (const auto& [timeout, rounds] : {std::pair<const char*, int>{"1s", 1}, {"1ms", 50}}) {
    const PostgresServer server({.deadlockTimeout = timeout});
    PostgresConnection one(server, false), two(server, false), observer(server, false);
    std::vector<double> times;
    double cpu = 0;
    for (int round = 0; round < rounds; ++round) {
      const auto [wall, cpuOfOne] = closeOneCycle(one, two, observer);
      times.push_back(wall);
      cpu += cpuOfOne / rounds;
    }
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / rounds;
    print({.system = kAdvisory,
           .name = "deadlock",
           .variant = rounds == 1 ? "2 parties" : "2 parties, deadlock_timeout 1 ms",
           .ops = static_cast<std::uint64_t>(rounds),
           .wallNs = mean,
           .cpuNs = cpu,
           .p50Ns = percentile(times, 0.5),
           .p99Ns = percentile(times, 0.99),
           .extra = {{"deadlocks", rounds}}});
  }
}

/// The connection with 100,000 locks ends; its server process is gone when all are free.
void sessionDeath() {
  const PostgresServer server({.lockSlots = 200'000});
  auto dying = std::make_unique<PostgresConnection>(server, false);
  PostgresConnection other(server, false);
  const pid_t backend = std::stoi(dying->ask("SELECT pg_backend_pid()"));
  require(
      dying->ask("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 100000) g") == "100000",
      "the locks were not granted");
  const auto pairOfOther = [&](std::vector<double>& times) {
    const double start = nowNs();
    require(other.run("tryLock", 1'000'000) == "t", "the other's lock was not granted");
    require(other.run("unlock", 1'000'000) == "t", "an unlock found nothing");
    times.push_back(nowNs() - start);
  };
  std::vector<double> before, during;
  for (int i = 0; i < 500; ++i) pairOfOther(before);  // Warms up.
  before.clear();
  for (int i = 0; i < 2000; ++i) pairOfOther(before);
  const Stopwatch watch;
  dying.reset();
  do {
    pairOfOther(during);
  } while (::kill(backend, 0) == 0);
  const double wall = watch.wall(), cpu = watch.cpu();
  require(other.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0",
          "locks of the dead session are still held");
  print({.system = kAdvisory,
         .name = "session_death",
         .ops = 1,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"others_p99_ns", percentile(during, 0.99)},
                   {"others_p99_before_ns", percentile(before, 0.99)},
                   {"others_ops_during", static_cast<double>(during.size())}}});
}

}  // namespace

int main(int argc, char** argv) {
  return runPeer(
      argc, argv,
      {{"uncontended_1k", "advisory lock + unlock inside the server, without the wire",
        uncontended1k},
       {"reentrant", "asking again for a held advisory lock, inside the server and over the wire",
        reentrant},
       {"handover", "2 to 128 connections contend for one advisory lock, for one row", handover},
       {"remote", "lock + unlock; advisory and rows; 1, 8, 64 connections; tcp and unix", remote},
       {"vector_1000", "1,000 advisory locks in one statement", vector1000},
       {"memory_held_1m", "memory with 1,000,000 advisory locks of one session", memoryHeld1m},
       {"deadlock", "2 parties, with deadlock_timeout as it comes and at its least", deadlock},
       {"session_death", "a connection with 100,000 advisory locks ends", sessionDeath}});
}
