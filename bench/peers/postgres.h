#pragma once

#include <libpq-fe.h>

#include <string>

#include "bench/peers/remote_load.h"

namespace peers {

/// A private PostgreSQL cluster: initdb in a directory of its own, a unix socket in it and a port
/// of loopback, trust for everybody who gets there. Settings as they come but for
/// max_connections, autovacuum (off: it would run now and then) and what a case asks for.
class PostgresServer {
 public:
  struct Settings {
    std::size_t lockSlots = 150 * 64;    ///< Of the shared lock table; 64 for each connection.
    std::string deadlockTimeout = "1s";  ///< As it comes.
  };

  PostgresServer() : PostgresServer(Settings{}) {}
  explicit PostgresServer(const Settings& settings);

  const PrivateServer& process() const { return *process_; }
  std::string conninfo(bool tcp) const;

 private:
  ScratchDirectory scratch_;
  std::uint16_t port_;
  std::unique_ptr<PrivateServer> process_;
};

/// A connection with the statements of the cases prepared: "lock", "tryLock" and "unlock" (an
/// advisory lock by its number), "row" and "tryRow" (SELECT ... FOR UPDATE), "begin", "commit".
class PostgresConnection {
 public:
  PostgresConnection(const PostgresServer& server, bool tcp, bool rows = false);
  ~PostgresConnection() { ::PQfinish(connection_); }
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  PGconn* get() const { return connection_; }

  /// Sends a prepared statement; `key` is its only parameter unless it has none.
  void send(const char* statement, std::int64_t key);
  void send(const char* statement);

  /// The first value of a statement that must succeed; "" when there is none.
  std::string ask(const std::string& sql);
  /// The first value, or the SQLSTATE when it fails.
  std::string run(const char* statement, std::int64_t key);

 private:
  PGconn* connection_;
};

/// Takes `result` and gives its first value, or its SQLSTATE when it is an error.
std::string valueAndClear(PGresult* result);

}  // namespace peers
