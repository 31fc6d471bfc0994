#include <endian.h>

#include <filesystem>

#include "bench/peers/postgres.h"

namespace peers {
namespace {

constexpr int kMaxConnections = 150;
constexpr const char* kUser = "postgres";  // PostgreSQL refuses to run as root.

/// Debian keeps initdb and postgres out of PATH.
std::string program(const std::string& name) {
  const std::string debian = "/usr/lib/postgresql/15/bin/" + name;
  return std::filesystem::exists(debian) ? debian : name;
}

}  // namespace

PostgresServer::PostgresServer(const Settings& settings) : port_(freePort()) {
  scratch_.giveTo(kUser);
  const std::string data = scratch_.path() / "data";
  runToEnd({.words = {program("initdb"), "-D", data, "-A", "trust", "-U", kUser, "-E", "UTF8",
                      "--no-locale", "--no-sync"},
            .log = scratch_.path() / "initdb.log",
            .user = kUser});
  const std::string locks = std::to_string(settings.lockSlots / kMaxConnections + 1);
  const std::string directory = scratch_.path();
  process_ = std::make_unique<PrivateServer>(
      Command{.words = {program("postgres"), "-D", data, "-p", std::to_string(port_), "-c",
                        "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + directory,
                        "-c", "max_connections=" + std::to_string(kMaxConnections), "-c",
                        "max_locks_per_transaction=" + locks, "-c",
                        "deadlock_timeout=" + settings.deadlockTimeout, "-c", "autovacuum=off"},
              .log = scratch_.path() / "log",
              .user = kUser,
              .stopSignal = 3},  // SIGQUIT: at once, its children and shared memory too.
      [this] { return ::PQping(conninfo(true).c_str()) == PQPING_OK; });
}

std::string PostgresServer::conninfo(bool tcp) const {
  return "user=postgres dbname=postgres connect_timeout=10 sslmode=disable gssencmode=disable "
         "port=" +
         std::to_string(port_) + " host=" + (tcp ? "127.0.0.1" : scratch_.path().string());
}

PostgresConnection::PostgresConnection(const PostgresServer& server, bool tcp, bool rows)
    : connection_(::PQconnectdb(server.conninfo(tcp).c_str())) {
  if (::PQstatus(connection_) != CONNECTION_OK) {
    throw std::runtime_error(::PQerrorMessage(connection_));
  }
  // What the server says when it is stopped in the middle is no news.
  ::PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
  const auto prepare = [&](const std::string& name, const std::string& sql) {
    ask("PREPARE " + name + " AS " + sql);
  };
  // Quoted: they are names, and "lock" is a word of SQL.
  prepare("\"lock\" (int8)", "SELECT pg_advisory_lock($1)");
  prepare("\"tryLock\" (int8)", "SELECT pg_try_advisory_lock($1)");
  prepare("\"unlock\" (int8)", "SELECT pg_advisory_unlock($1)");
  if (!rows) return;
  // Nothing that a row lock does has to survive: its commit need not wait for the disk.
  ask("SET synchronous_commit = off");
  prepare("\"row\" (int8)", "SELECT id FROM objects WHERE id = $1 FOR UPDATE");
  prepare("\"tryRow\" (int8)", "SELECT id FROM objects WHERE id = $1 FOR UPDATE NOWAIT");
  for (const char* word : {"begin", "commit"}) {
    PGresult* result = ::PQprepare(connection_, word, word, 0, nullptr);
    const bool ok = ::PQresultStatus(result) == PGRES_COMMAND_OK;
    ::PQclear(result);
    require(ok, "cannot prepare begin and commit");
  }
}

void PostgresConnection::send(const char* statement, std::int64_t key) {
  const std::uint64_t bytes = htobe64(static_cast<std::uint64_t>(key));
  const char* const values[] = {reinterpret_cast<const char*>(&bytes)};
  const int lengths[] = {sizeof(bytes)}, formats[] = {1};
  require(::PQsendQueryPrepared(connection_, statement, 1, values, lengths, formats, 0) == 1,
          ::PQerrorMessage(connection_));
}

void PostgresConnection::send(const char* statement) {
  require(::PQsendQueryPrepared(connection_, statement, 0, nullptr, nullptr, nullptr, 0) == 1,
          ::PQerrorMessage(connection_));
}

std::string PostgresConnection::ask(const std::string& sql) {
  PGresult* result = ::PQexec(connection_, sql.c_str());
  const ExecStatusType status = ::PQresultStatus(result);
  const std::string value = valueAndClear(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw std::runtime_error(sql.substr(0, 100) + ": " + ::PQerrorMessage(connection_));
  }
  return value;
}

std::string PostgresConnection::run(const char* statement, std::int64_t key) {
  send(statement, key);
  const std::string value = valueAndClear(::PQgetResult(connection_));
  while (PGresult* more = ::PQgetResult(connection_)) ::PQclear(more);
  return value;
}

std::string valueAndClear(PGresult* result) {
  std::string value;
  if (::PQresultStatus(result) == PGRES_FATAL_ERROR) {
    const char* state = ::PQresultErrorField(result, PG_DIAG_SQLSTATE);
    value = state != nullptr ? state : "lost";
  } else if (::PQntuples(result) > 0) {
    value = ::PQgetvalue(result, 0, 0);
  }
  ::PQclear(result);
  return value;
}

}  // namespace peers
