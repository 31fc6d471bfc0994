// Client nodes in this program, at a server node in a process of its own.

#include <fstream>

#include "base/answer_wait.h"
#include "bench/driver/server_process.h"
#include "bench/driver/threads.h"
#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"
#include "node/client_node.h"
#include "runtime/database/locker_port.h"

namespace bench::cases {
namespace {

constexpr std::size_t kPipelined = 16;

/// `nephrite server` on a store of its own, at a free port and a unix socket.
class Server {
 public:
  Server() {
    std::ofstream(ini()) << "[NephriteServer]\nPort=0\nUnixSocket=run/node.sock\n"
                            "[NephriteStore]\nSyncCommits=false\n"
                            "[NephriteLog]\nLevel=Warning\n";
    process_ = std::make_unique<ServerProcess>(std::vector<std::string>{
        (folderOfThisProgram() / "nephrite").string(), "server", "--ini", ini().string()});
    const std::string& said = process_->announced();
    const std::string before = "ready on port ";
    const auto at = said.find(before);
    require(at != std::string::npos, "the server says \"" + said + "\"");
    port_ = std::stoi(said.substr(at + before.size()));
  }

  int pid() const { return process_->pid(); }
  std::unique_ptr<ClientNode> client(bool tcp) const {
    const std::string to = tcp ? "TcpIPv4, 127.0.0.1, " + std::to_string(port_)
                               : "Unix, " + (scratch_.path() / "run/node.sock").string();
    return std::make_unique<ClientNode>(ClientNode::Options{
        .iniFile = ini(), .iniOverrides = {"JadeClient.ServerNodeSpecifications=" + to}});
  }

 private:
  std::filesystem::path ini() const { return scratch_.path() / "jade.ini"; }

  ScratchFolder scratch_;
  std::unique_ptr<ServerProcess> process_;
  int port_ = 0;
};

/// A client node and its one process, with objects of its own.
struct Client {
  Client(const Server& server, bool tcp, std::size_t count)
      : node(server.client(tcp)), process(node->node().signOn({.name = "bench"})) {
    for (const Oid oid : makeThings(process, count)) objects.push_back(process.object(oid));
  }
  std::unique_ptr<ClientNode> node;
  Process process;
  std::vector<Object> objects;
  std::size_t next = 0;
};

/// Throws unless the server itself keeps what is locked from another client node.
void proveRemote(const Server& server) {
  Client holder(server, true, 1), other(server, false, 1);
  Object mine = holder.objects[0], theirs = other.process.object(mine.oid());
  mine.exclusiveLock();
  require(mine.isLockedByMe() && !theirs.tryLock(LockType::Share),
          "an object was given to two client nodes");
  mine.unlock();
  require(theirs.tryLock(LockType::Exclusive, LockDuration::Transaction, std::chrono::seconds(5)),
          "an unlocked object was not given");
}

void plain(Client& client) {
  Object& object = client.objects[client.next++ % client.objects.size()];
  object.exclusiveLock();
  object.unlock();
}

// Sixteen requests are on their way at the same time; then as many unlocks, which no one answers.
void pipelined(Client& client) {
  struct Answers {
    std::atomic<std::size_t> missing{kPipelined}, granted{0};
    AnswerWait<bool> all;
  };
  Database& database = *client.node->database();
  const auto port = database.port(client.process.info().locker);
  const auto answers = std::make_shared<Answers>();
  {
    AnswerFetch fetch(database.answers());
    for (std::size_t i = 0; i < kPipelined; ++i) {
      ObjectLockRequest order;
      order.request.locker = client.process.info().locker;
      order.request.target = {client.objects[i].oid().bits()};
      order.request.type = LockType::Exclusive;
      order.request.id = 1'000'000 + client.next++;
      port->lock(order, [answers](const LockReply& reply) {
        answers->granted += reply.isGranted() ? 1 : 0;
        if (--answers->missing == 0) answers->all.complete(true);
      });
    }
    fetch.await(answers->all);
  }
  answers->all.get();
  require(answers->granted == kPipelined, "a lock was not granted");
  const AnswerFetch together(database.answers());  // What is said within goes in one piece.
  for (std::size_t i = 0; i < kPipelined; ++i) {
    port->unlock(client.objects[i].oid());
  }
}

void measureRemote(const Server& server, bool tcp, std::size_t connections, bool pipeline,
                   Placement placement) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < connections; ++i) {
    clients.push_back(std::make_unique<Client>(server, tcp, kPipelined));
  }
  Together together = inThreads({.threads = connections,
                                 .warmUp = 0.05,
                                 .seconds = 0.2,
                                 .timed = true,
                                 .server = server.pid()},
                                [&](std::size_t t) {
                                  return [&client = *clients[t], pipeline] {
                                    pipeline ? pipelined(client) : plain(client);
                                  };
                                });
  print(figureOf({.system = kSystem,
                  .name = "remote",
                  .variant = counted(connections, "connection") + (tcp ? ", tcp" : ", unix") +
                             (pipeline ? ", pipelined 16" : "") + nameOf(placement)},
                 together, pipeline ? kPipelined : 1));
}

}  // namespace

void remote() {
  for (const Placement placement : {Placement::Free, Placement::TwoCores, Placement::OneCore}) {
    if (!placeServer(placement)) continue;
    const Server server;
    placeClients(placement);
    proveRemote(server);
    for (const bool tcp : {true, false}) {
      for (const std::size_t connections : {1u, 8u, 64u}) {
        for (const bool pipeline : {false, true}) {
          if (placement == Placement::OneCore && (connections > 1 || pipeline)) continue;
          measureRemote(server, tcp, connections, pipeline, placement);
        }
      }
    }
  }
}

// Placed as the echo that it is held against.
void vector1000() {
  const Placement placement =
      placeServer(Placement::TwoCores) ? Placement::TwoCores : Placement::OneCore;
  placeServer(placement);
  const Server server;
  placeClients(placement);
  proveRemote(server);
  for (const bool tcp : {true, false}) {
    Client client(server, tcp, 1'000);
    std::vector<double> requests;  // Of each, the time: letting go is in CPU and wall time alone.
    Together together = inThreads(
        {.threads = 1, .warmUp = 0.1, .seconds = 0.3, .server = server.pid()}, [&](std::size_t) {
          return [&client, &requests] {
            const double start = nowNs();
            client.process.lockAll(client.objects, LockType::Exclusive);
            requests.push_back(nowNs() - start);
            client.process.abortTransaction();
            client.node->database()->latestSchema();  // The server has let go, too.
          };
        });
    together.times = std::move(requests);
    client.process.lockAll(client.objects, LockType::Exclusive);
    Client other(server, tcp, 1);
    require(other.process.system().getLocks().size() >= client.objects.size(),
            "the server does not show a thousand locks");
    print(figureOf({.system = kSystem,
                    .name = "vector_1000",
                    .variant = std::string("1 connection, ") + (tcp ? "tcp" : "unix")},
                   together));
  }
}

}  // namespace bench::cases
