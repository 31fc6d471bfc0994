#include "tests/node/given_ini_effects.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.h"
#include "node/client/remote_database.h"
#include "node/wire/frame.h"
#include "runtime/database/local_database.h"

// Ours come before those of the C library, also for RocksDB's calls.
namespace {
std::atomic<std::size_t> epolls{0}, polls{0}, synced{0};
}  // namespace

// What a sanitizer has in their place, which must see them, too; null without one.
extern "C" int __interceptor_epoll_wait(int, epoll_event*, int, int) __attribute__((weak));
extern "C" int __interceptor_poll(pollfd*, nfds_t, int) __attribute__((weak));

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  if (timeout == 0) ++epolls;
  if (__interceptor_epoll_wait) return __interceptor_epoll_wait(epoll, events, most, timeout);
  return static_cast<int>(::syscall(SYS_epoll_pwait, epoll, events, most, timeout, nullptr, 0));
}
extern "C" int poll(pollfd* descriptors, nfds_t count, int timeout) {
  if (timeout == 0) ++polls;
  if (__interceptor_poll) return __interceptor_poll(descriptors, count, timeout);
  return static_cast<int>(::syscall(SYS_poll, descriptors, count, timeout));
}
extern "C" int fdatasync(int file) {
  ++synced;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}
extern "C" int fsync(int file) {
  ++synced;
  return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLarge = 100'000, kMany = 100;

sockaddr_in loopback(const char* address, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &made.sin_addr);
  return made;
}

std::uint16_t portOf(int socket) {
  sockaddr_in bound{};
  socklen_t size = sizeof(bound);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size), 0);
  return ntohs(bound.sin_port);
}

int listeningSocket() {
  const int made = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in at = loopback("127.0.0.1", 0);
  EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
  EXPECT_EQ(::listen(made, 64), 0);
  return made;
}

std::string framed(const std::string& encoded, std::uint64_t sequence) {
  wire::FrameHeader header;
  header.length = static_cast<std::uint32_t>(encoded.size());
  header.sequence = sequence;
  return wire::frameBytes(header, encoded);
}

std::vector<Object> largeOrders(Process& process) {
  std::vector<Object> made;
  for (std::size_t i = 0; i < kMany; ++i) {
    made.push_back(GivenIniEffects::newOrder(process, kLarge));
  }
  return made;
}

}  // namespace

// --- Calls of the system -------------------------------------------------------------------------

std::size_t SystemCalls::epollsWithoutWaiting() { return epolls; }
std::size_t SystemCalls::pollsWithoutWaiting() { return polls; }
std::size_t SystemCalls::syncs() { return synced; }

// --- A client of bytes ---------------------------------------------------------------------------

RawPeer::RawPeer(const std::filesystem::path& unixSocket)
    : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  unixSocket.native().copy(at.sun_path, sizeof(at.sun_path) - 1);
  EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
}

RawPeer::~RawPeer() { ::close(socket_); }

void RawPeer::say(const wire::FromClient& message) {
  const std::string bytes = framed(wire::encode(message, Instant{}), sequence_);
  if (!std::holds_alternative<wire::Ping>(message)) ++sequence_;
  ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

bool RawPeer::hearsAtLeast(std::size_t bytes) const {
  std::string chunk(65536, '\0');
  for (std::size_t heard = 0; heard < bytes;) {
    pollfd polled{socket_, POLLIN, 0};
    if (::poll(&polled, 1, 60'000) != 1) return false;
    const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got <= 0) return false;
    heard += static_cast<std::size_t>(got);
  }
  return true;
}

bool RawPeer::isHungUpOn(milliseconds within) const {
  return eventually(
      [&] {
        char chunk[4096];
        const auto got = ::recv(socket_, chunk, sizeof(chunk), MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
      },
      within);
}

bool RawPeer::canConnect(const char* address, std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in at = loopback(address, port);
  const int failed = ::connect(made, reinterpret_cast<const sockaddr*>(&at), sizeof(at));
  ::close(made);
  return failed == 0;
}

std::uint16_t RawPeer::freePort() {
  const int made = listeningSocket();
  const std::uint16_t port = portOf(made);
  ::close(made);
  return port;
}

// --- A server that says little -------------------------------------------------------------------

SilentServer::SilentServer(Welcomes welcomes) : welcomes_(welcomes), listener_(listeningSocket()) {}

SilentServer::~SilentServer() {
  for (const int connection : accepted_) ::close(connection);
  ::close(listener_);
}

std::uint16_t SilentServer::port() const { return portOf(listener_); }

bool SilentServer::hasAccepted(std::size_t connections, milliseconds within) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (accepted_.size() < connections) {
    const auto left = until - std::chrono::steady_clock::now();
    pollfd polled{listener_, POLLIN, 0};
    const auto wait = std::chrono::duration_cast<milliseconds>(left).count();
    if (wait <= 0 || ::poll(&polled, 1, static_cast<int>(wait)) != 1) return false;
    const int connection = ::accept(listener_, nullptr, nullptr);
    accepted_.push_back(connection);
    if (welcomes_ == Welcomes::HangsUp) ::shutdown(connection, SHUT_RDWR);
    if (welcomes_ != Welcomes::Yes) continue;
    wire::Welcome welcome;
    welcome.keepAlive = std::chrono::hours(1);
    welcome.maxFrame = 1u << 20;
    const std::string bytes = framed(wire::encode(wire::FromServer(welcome), Instant{}), 0);
    ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  return true;
}

// --- The INI file and its nodes ------------------------------------------------------------------

GivenIniEffects::GivenIniEffects(Taken taken) : taken_(taken) {
  std::string pattern = "/tmp/nephrite-ini-XXXXXX";  // Short, as unix sockets want.
  folder_ = ::mkdtemp(pattern.data());
}

GivenIniEffects::~GivenIniEffects() {
  setLogLevel(LogLevel::Info);
  std::filesystem::remove_all(folder_);
}

void GivenIniEffects::write(const std::string& lines) const {
  // Of two equal parameters the first counts, which is worth no warning here.
  std::ofstream(iniFile()) << lines
                           << "\n[NephriteServer]\nPort=0\nUnixSocket=run/n\n"
                              "[NephriteStore]\nVerifyOnOpen=false\n"
                              "[NephriteLog]\nLevel=Error\n";
}

std::unique_ptr<EmbeddedNode> GivenIniEffects::embedded(const std::string& lines) const {
  const bool reloads = taken_ == Taken::ByReload;
  write(reloads ? "" : lines);
  auto node = std::make_unique<EmbeddedNode>(EmbeddedNode::Options{.iniFile = iniFile()});
  if (!reloads) return node;
  write(lines);
  node->reload();
  return node;
}

std::unique_ptr<ServerNode> GivenIniEffects::server(const std::string& lines) const {
  const bool reloads = taken_ == Taken::ByReload;
  write(reloads ? "" : lines);
  auto node = std::make_unique<ServerNode>(ServerNode::Options{.iniFile = iniFile()});
  if (!reloads) return node;
  write(lines);
  node->reload();
  return node;
}

std::unique_ptr<ClientNode> GivenIniEffects::client(const std::string& lines) const {
  const bool reloads = taken_ == Taken::ByReload;
  write(reloads ? "" : lines);
  auto node = client();
  if (!reloads) return node;
  write(lines);
  node->reload();
  return node;
}

std::unique_ptr<ClientNode> GivenIniEffects::client() const {
  return std::make_unique<ClientNode>(
      ClientNode::Options{.iniFile = iniFile(),
                          .iniOverrides = {"JadeClient.ServerNodeSpecifications=Unix, " +
                                           (folder_ / "run/n").string()}});
}

std::unique_ptr<ConnectedDatabase> GivenIniEffects::connecting(const std::string& lines,
                                                               std::uint16_t port) const {
  write(lines + "[JadeClient]\nServerNodeSpecifications=TcpIPv4, 127.0.0.1, " +
        std::to_string(port) + "\n");
  return std::make_unique<ConnectedDatabase>(loadSettings(iniFile(), {}).settings);
}

// --- What can be seen ----------------------------------------------------------------------------

Object GivenIniEffects::newOrder(Process& process, std::size_t bytes) {
  process.defineClass({.name = "Order", .properties = {{"note", ValueType::String}}});
  Transaction transaction(process);
  Object order = process.create("Order");
  order.set("note", std::string(bytes, 'x'));
  transaction.commit();
  return order;
}

milliseconds GivenIniEffects::waitOf(Node& node, bool background) {
  Process holder = node.signOn({.user = "anna"});
  Object kept = newOrder(holder);
  kept.exclusiveLock();
  Process waiter = node.signOn({.user = "ben", .background = background});
  try {
    waiter.object(kept.oid()).sharedLock();
  } catch (const LockException& refused) {
    return std::chrono::duration_cast<milliseconds>(refused.facts().waited);
  }
  return {};
}

int GivenIniEffects::refusedByDeadlock(Node& node) {
  std::atomic<int> refused{0};
  Process anna = node.signOn({.user = "anna"}), ben = node.signOn({.user = "ben"});
  Object one = newOrder(anna), two = newOrder(anna);
  one.exclusiveLock();
  ben.object(two.oid()).exclusiveLock();
  std::atomic<bool> answered{false};
  anna.lockAsync(two, {.type = LockType::Exclusive}, [&](const LockResult& result) {
    if (!result.held()) ++refused;
    answered = true;
  });
  try {
    ben.object(one.oid()).exclusiveLock();
  } catch (const DeadlockException&) {
    ++refused;
  }
  ben.object(two.oid()).unlock();  // Anna, if she still waits, gets it.
  EXPECT_TRUE(eventually([&] { return answered.load(); }));
  return refused;
}

std::size_t GivenIniEffects::cachedOf10M(EmbeddedNode& node) {
  Process anna = node.node().signOn({.user = "anna"});
  const ObjectStore& store = dynamic_cast<LocalDatabase&>(*node.database()).store();
  std::size_t cached = 0;
  for (const Object& order : largeOrders(anna)) {
    if (store.knownEdition(order.oid(), false) != 0) ++cached;
  }
  return cached;
}

wire::Status GivenIniEffects::statusOf(ClientNode& client) {
  return dynamic_cast<RemoteDatabase&>(*client.database()).serverStatus();
}

std::uint64_t GivenIniEffects::askedFor100Reads(ClientNode& client) {
  Process anna = client.node().signOn({.user = "anna"});
  const Object order = newOrder(anna);
  const std::uint64_t before = statusOf(client).framesIn;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order.get<std::string>("note"), "x");
  return statusOf(client).framesIn - before;
}

std::uint64_t GivenIniEffects::askedToRead10MAgain(ClientNode& client) {
  Process anna = client.node().signOn({.user = "anna"});
  const std::vector<Object> orders = largeOrders(anna);
  const auto readAll = [&] {
    for (const Object& order : orders) order.get<std::string>("note");
  };
  readAll();
  const std::uint64_t before = statusOf(client).framesIn;
  readAll();
  return statusOf(client).framesIn - before;
}

void GivenIniEffects::loseASession() const {
  const auto looker = client();
  const auto sessions = [&] { return statusOf(*looker).sessions; };
  EXPECT_TRUE(logged("session.", [&] {
    setLogLevel(LogLevel::Warning);
    {
      RawPeer peer(folder_ / "run/n");
      peer.say(wire::Hello{});
      EXPECT_TRUE(peer.hearsSomething());
      EXPECT_EQ(sessions(), 2u);
    }
    // Its end comes by another socket than what is asked here, but in turns.
    for (int i = 0; i < 10; ++i) sessions();
  }));
}

std::unique_ptr<RawPeer> GivenIniEffects::readerOfNothing(ServerNode& server, int times) const {
  Process anna = server.node().signOn({.user = "anna"});
  const Oid large = newOrder(anna, 500'000).oid();
  auto peer = std::make_unique<RawPeer>(folder_ / "run/n");
  peer->say(wire::Hello{});
  for (int i = 0; i < times; ++i) {
    peer->say(wire::Fetch{static_cast<wire::RequestId>(i + 1), large});
  }
  return peer;
}

std::string GivenIniEffects::refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& refused) {
    return refused.what();
  }
  return "not refused";
}

bool GivenIniEffects::logged(std::string_view event, const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  action();
  EXPECT_TRUE(flushLog(std::chrono::seconds(60)));  // A thread of its own writes it.
  const std::string written = testing::internal::GetCapturedStderr();
  return written.find(event) != std::string::npos;
}

milliseconds GivenIniEffects::timeOf(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - begin);
}

std::size_t GivenIniEffects::threads() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string GivenIniEffects::contentOf(const std::filesystem::path& file) {
  std::stringstream content;
  content << std::ifstream(file).rdbuf();
  return content.str();
}

void GivenIniEffects::damageTheStore() const {
  write("");
  for (int i = 0; i < 2; ++i) {  // What is in the log becomes a table at the next opening.
    EmbeddedNode node({.iniFile = iniFile()});
    Process anna = node.node().signOn({.user = "anna"});
    newOrder(anna, kLarge);
  }
  for (const auto& file : std::filesystem::directory_iterator(folder_ / "system")) {
    if (file.path().extension() != ".sst" || file.file_size() < kLarge) continue;
    std::string content = contentOf(file.path());
    content[content.size() / 2] ^= 1;
    std::ofstream(file.path(), std::ios::binary) << content;
    return;
  }
  ADD_FAILURE() << "there is no table in the store";
}

}  // namespace nephrite
