#include "node/server/socket_server.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "ini/ini_problem.h"
#include "ini/listen_address.h"
#include "node/local/start_check.h"
#include "node/server/event_loop.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Unix = asio::local::stream_protocol;
using asio::ip::tcp;

tcp::endpoint loopbackEndpoint(const std::string& address, std::uint16_t port) {
  error_code error;
  const auto ip = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
  const std::string why = refusalOfListenAddress(address);
  if (error || !why.empty()) {
    throw IniError("[NephriteServer] ListenAddress=" + address + " " + why);
  }
  return {ip, port};
}

void preparePrivateDirectory(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) return;
  struct stat found {};
  if (errno == EEXIST && ::stat(directory.c_str(), &found) == 0) return;
  refuseStart("making the directory " + directory.string() +
                  " for the unix socket ([NephriteServer] UnixSocket)",
              {errno, std::generic_category()});
}

void removeStaleSocket(asio::io_context& context, const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return;
  Unix::socket probe(context);
  error_code error;
  probe.connect(Unix::endpoint(path.string()), error);
  if (!error) {
    refuseStart("another server listens on " + path.string() + " ([NephriteServer] UnixSocket)",
                std::make_error_code(std::errc::address_in_use));
  }
  std::filesystem::remove(path, none);
}

std::string addressOf(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return "tcp";
  const std::string ip = remote.address().to_string();
  return (remote.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(remote.port());
}

std::string addressOf(Unix::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return "unix";
  }
  return "unix:pid " + std::to_string(peer.pid);
}

}  // namespace

struct SocketServer::Parts {
  explicit Parts(Options given)
      : options(std::move(given)),
        spin(options.spin.count()),
        tcpAcceptor(context),
        unixAcceptor(context),
        blocking(options.blockingThreads) {}

  void listen();
  void accept();
  void welcome(int socket, const std::string& address);
  void pauseAccepting(const error_code& why);

  /// Everything that the serving thread does for the sessions is a turn; what it sent goes out, and
  /// the next deadline is set, at its end.
  template <typename Work>
  void turn(const Work& work);
  void endTurn();
  void setTimer();
  void due();
  void stopAccepting();

  /// Accepts the clients that wait at one of the two acceptors.
  template <typename Acceptor>
  struct Door final : EventLoop::Watcher {
    Door(Parts& of, Acceptor& at) : parts(of), acceptor(at) {}
    void open() { parts.loop.add(acceptor.native_handle(), *this, EPOLLIN); }
    void close();
    void ready(std::uint32_t events) override;

    Parts& parts;
    Acceptor& acceptor;
  };

  Options options;
  std::atomic<std::int64_t> spin;  // Microseconds.
  EventLoop loop;
  std::optional<Instant> timerAt;
  asio::io_context context{1};  // Runs nothing: the acceptors want one.
  tcp::acceptor tcpAcceptor;
  Unix::acceptor unixAcceptor;
  Door<tcp::acceptor> tcpDoor{*this, tcpAcceptor};
  Door<Unix::acceptor> unixDoor{*this, unixAcceptor};
  std::optional<Instant> acceptAgainAt;
  std::uint16_t port = 0;
  ServerSessions* sessions = nullptr;
  std::vector<std::shared_ptr<Connection>> dirty;     // Have something to send.
  std::vector<std::shared_ptr<Connection>> flushing;  // Kept for its memory.
  unsigned turns = 0;                                 // Nested ones are one.
  std::atomic<std::thread::id> serving{};
  std::array<std::uint8_t, 65536> chunk;  // Of the connection that is read; an idle one needs none.
  std::atomic<bool> stopped{false};
  asio::thread_pool blocking;
  std::thread thread;
};

class SocketServer::Connection final : public ServerConnection,
                                       public EventLoop::Watcher,
                                       public std::enable_shared_from_this<Connection> {
 public:
  Connection(Parts& parts, int socket, std::string address)
      : parts_(parts),
        socket_(socket),
        address_(std::move(address)),
        reader_(parts.options.maxFrame) {
    parts_.loop.add(socket_.number(), *this, waitsFor_);
  }
  ~Connection() override { close(); }

  void send(std::string frame) override {
    if (closed_) return;
    unsent_.append(frame);
    isDirty();
  }
  void sendFramed(const wire::FrameHeader& header, std::string_view message) override {
    if (closed_) return;
    wire::appendFrame(unsent_, header, message);
    isDirty();
  }
  std::size_t bytesQueued() const override { return unsent_.size() - sent_; }
  std::uint64_t bytesTaken() const override { return taken_; }
  const std::string& address() const override { return address_; }

  void close() override {
    if (closed_) return;
    write();
    closed_ = true;
    parts_.loop.remove(socket_.number(), *this);
    ::shutdown(socket_.number(), SHUT_RDWR);
    socket_.close();
    unsent_ = {};
    sent_ = 0;
  }

  void ready(std::uint32_t events) override {
    const auto self = shared_from_this();
    parts_.turn([&] {
      if ((events & EPOLLOUT) != 0) writable();
      if (closed_) return;
      if ((waitsFor_ & EPOLLIN) != 0 && (events & ~std::uint32_t{EPOLLOUT}) != 0) {
        readable();
      } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        parts_.sessions->closed(*this);  // It will never read what keeps us from reading.
      }
    });
  }

  void pauseReading(bool pauses) override {
    if (paused_ == pauses || closed_) return;
    paused_ = pauses;
    wait();
    if (pauses) return;
    // What has been read already is dealt with in a turn of its own.
    parts_.loop.post(
        [self = shared_from_this()] { self->parts_.turn([&] { self->readFrames(); }); });
  }

  /// At the end of a turn: whatever the other side takes at once, in one call of the system.
  void flush() {
    dirty_ = false;
    if (closed_ || bytesQueued() == 0) return;
    const bool hadMuch = std::exchange(leavesSome_, false) || !parts_.sessions->listensTo(*this);
    write();
    leavesSome_ = bytesQueued() > 0;
    if (leavesSome_ || hadMuch) parts_.sessions->flushed(*this);
    wait();
  }

 private:
  void write() {
    if (bytesQueued() == 0) return;
    const ssize_t sent = ::send(socket_.number(), unsent_.data() + sent_, bytesQueued(),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return;  // The reader sees it, too.
    sent_ += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    taken_ += static_cast<std::uint64_t>(std::max<ssize_t>(sent, 0));
    if (bytesQueued() == 0) {
      sent_ = 0;
      unsent_.clear();
      constexpr std::size_t kKept = 4096;  // An idle session costs little.
      if (unsent_.capacity() > kKept) unsent_.shrink_to_fit();
    } else if (sent_ > unsent_.size() / 2) {
      unsent_.erase(0, sent_);
      sent_ = 0;
    }
  }

  void isDirty() {
    if (dirty_) return;
    dirty_ = true;
    parts_.dirty.push_back(shared_from_this());
  }

  void wait() {
    if (closed_) return;
    const bool reads = parts_.sessions->listensTo(*this) && !framesWait_ && !paused_;
    const bool writes = bytesQueued() > 0 || framesWait_;
    const std::uint32_t now = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u);
    if (now == waitsFor_) return;
    waitsFor_ = now;
    parts_.loop.change(socket_.number(), *this, now);
  }

  void writable() {
    const std::size_t before = bytesQueued();
    flush();
    if (bytesQueued() < before) parts_.sessions->heard(*this);
    if (framesWait_) readFrames();
  }

  void readable() {
    const ssize_t bytes =
        ::recv(socket_.number(), parts_.chunk.data(), parts_.chunk.size(), MSG_DONTWAIT);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (bytes <= 0) return parts_.sessions->closed(*this);
    reader_.append({parts_.chunk.data(), static_cast<std::size_t>(bytes)});
    readFrames();
  }

  /// As long as the other side takes the answers: a few bytes may ask for many. And as long as the
  /// sessions want more of them.
  void readFrames() {
    const Instant now = SystemClock::instance().now();
    framesWait_ = false;
    try {
      while (!closed_ && !paused_) {
        if (!parts_.sessions->listensTo(*this)) flush();
        framesWait_ = !closed_ && !parts_.sessions->listensTo(*this);
        if (framesWait_) break;
        const auto frame = reader_.nextInPlace();
        if (!frame) break;
        parts_.sessions->received(*this, *frame, now);
      }
    } catch (const wire::WireError& wrong) {
      return parts_.sessions->violated(*this, wrong.what());
    }
    wait();
  }

  Parts& parts_;
  Descriptor socket_;
  const std::string address_;
  wire::FrameReader reader_;
  std::string unsent_;  // From `sent_` on.
  std::size_t sent_ = 0;
  std::uint32_t waitsFor_ = EPOLLIN;
  std::uint64_t taken_ = 0;
  bool leavesSome_ = false;  // What was flushed last.
  bool framesWait_ = false;  // In reader_, for the other side to take what there is for it.
  bool dirty_ = false;
  bool paused_ = false;
  bool closed_ = false;
};

// --- Listening -----------------------------------------------------------------------------------

SocketServer::SocketServer(Options options) : parts_(std::make_shared<Parts>(std::move(options))) {
  parts_->listen();
}

SocketServer::~SocketServer() { stop(); }

std::uint16_t SocketServer::port() const { return parts_->port; }

void SocketServer::Parts::listen() {
  const tcp::endpoint endpoint = loopbackEndpoint(options.listenAddress, options.port);
  error_code error;
  tcpAcceptor.open(endpoint.protocol(), error);
  if (!error) tcpAcceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) tcpAcceptor.bind(endpoint, error);
  if (!error) tcpAcceptor.listen(4096, error);
  if (!error) tcpAcceptor.non_blocking(true, error);
  if (error) {
    refuseStart("cannot listen on " + options.listenAddress + ":" + std::to_string(options.port) +
                    " ([NephriteServer] ListenAddress, Port)",
                error);
  }
  port = tcpAcceptor.local_endpoint().port();
  if (options.unixSocket.empty()) return;

  preparePrivateDirectory(options.unixSocket.parent_path());
  const std::string why = refusalOfSocket(options.unixSocket);
  if (!why.empty()) throw IniError("[NephriteServer] UnixSocket: " + why);
  removeStaleSocket(context, options.unixSocket);
  unixAcceptor.open(Unix(), error);
  if (!error) unixAcceptor.bind(Unix::endpoint(options.unixSocket.string()), error);
  if (!error) unixAcceptor.listen(4096, error);
  if (!error) unixAcceptor.non_blocking(true, error);
  if (error) {
    refuseStart(
        "cannot listen on " + options.unixSocket.string() + " ([NephriteServer] UnixSocket)",
        error);
  }
}

void SocketServer::Parts::accept() {
  tcpDoor.open();
  if (unixAcceptor.is_open()) unixDoor.open();
}

template <typename Acceptor>
void SocketServer::Parts::Door<Acceptor>::close() {
  if (!acceptor.is_open()) return;
  parts.loop.remove(acceptor.native_handle(), *this);
  error_code ignored;
  acceptor.close(ignored);
}

template <typename Acceptor>
void SocketServer::Parts::Door<Acceptor>::ready(std::uint32_t) {
  error_code error;
  auto socket = acceptor.accept(error);
  if (error == asio::error::would_block || error == asio::error::try_again) return;
  if (error) return parts.pauseAccepting(error);
  const std::string address = addressOf(socket);
  if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
  }
  parts.welcome(socket.release(), address);
}

// Out of file descriptors, most likely: let others end first.
void SocketServer::Parts::pauseAccepting(const error_code& why) {
  log(LogLevel::Error, "connection.not_accepted", {{"why", why.message()}});
  loop.change(tcpAcceptor.native_handle(), tcpDoor, 0);
  if (unixAcceptor.is_open()) loop.change(unixAcceptor.native_handle(), unixDoor, 0);
  acceptAgainAt = SystemClock::instance().now() + std::chrono::milliseconds(100);
  setTimer();
}

void SocketServer::Parts::welcome(int socket, const std::string& address) {
  std::shared_ptr<Connection> connection;
  try {
    connection = std::make_shared<Connection>(*this, socket, address);
  } catch (const std::system_error& failure) {
    return log(LogLevel::Error, "connection.not_accepted", {{"why", failure.what()}});
  }
  turn([&] { sessions->opened(connection); });
}

// --- Serving -------------------------------------------------------------------------------------

template <typename Work>
void SocketServer::Parts::turn(const Work& work) {
  ++turns;
  work();
  if (--turns == 0) endTurn();
}

void SocketServer::Parts::endTurn() {
  while (!dirty.empty()) {
    flushing.swap(dirty);
    for (const auto& connection : flushing) connection->flush();
    flushing.clear();
  }
  setTimer();
}

void SocketServer::Parts::setTimer() {
  auto next = sessions == nullptr ? std::nullopt : sessions->nextDeadline();
  if (acceptAgainAt) next = next ? std::min(*next, *acceptAgainAt) : acceptAgainAt;
  // A deadline that has moved on is noticed when the timer fires, so that a busy server does not
  // set it again and again.
  if (!next || (timerAt && *timerAt <= *next)) return;
  timerAt = next;
  loop.callIn(*next - SystemClock::instance().now(), [this] { due(); });
}

void SocketServer::Parts::due() {
  timerAt.reset();
  const Instant now = SystemClock::instance().now();
  if (acceptAgainAt && *acceptAgainAt <= now) {
    acceptAgainAt.reset();
    if (tcpAcceptor.is_open()) loop.change(tcpAcceptor.native_handle(), tcpDoor, EPOLLIN);
    if (unixAcceptor.is_open()) loop.change(unixAcceptor.native_handle(), unixDoor, EPOLLIN);
  }
  turn([&] { sessions->expire(now); });
}

void SocketServer::start(ServerSessions& sessions) {
  parts_->sessions = &sessions;
  parts_->accept();
  parts_->thread = std::thread([parts = parts_.get()] {
    parts->serving = std::this_thread::get_id();
    parts->loop.run(parts->spin);
  });
}

ServerSessions::Hooks SocketServer::hooks() {
  ServerSessions::Hooks hooks;
  hooks.run = [parts = parts_](std::function<void()> work) {
    if (parts->serving.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      return parts->turn(work);
    }
    parts->loop.post([parts = parts.get(), work = std::move(work)] { parts->turn(work); });
  };
  hooks.block = [parts = parts_](std::function<void()> work) {
    if (!parts->stopped) asio::post(parts->blocking, std::move(work));
  };
  hooks.newKey = [] {
    wire::SessionKey key{};
    NEPHRITE_CHECK(::getrandom(key.data(), key.size(), 0) == static_cast<ssize_t>(key.size()));
    return key;
  };
  return hooks;
}

void SocketServer::run(const std::function<void()>& work) {
  auto done = std::make_shared<std::promise<void>>();
  const std::future<void> isDone = done->get_future();
  // Kept nowhere else: when the loop drops it, that ends the waiting, too.
  parts_->loop.post([parts = parts_.get(), &work, done = std::move(done)] {
    parts->turn(work);
    done->set_value();
  });
  isDone.wait();
}

void SocketServer::post(std::function<void()> work) {
  parts_->loop.post([parts = parts_.get(), work = std::move(work)] { parts->turn(work); });
}

void SocketServer::Parts::stopAccepting() {
  tcpDoor.close();
  if (!unixAcceptor.is_open()) return;
  unixDoor.close();
  std::error_code none;
  std::filesystem::remove(options.unixSocket, none);
}

void SocketServer::stopAccepting() {
  run([this] { parts_->stopAccepting(); });
}

void SocketServer::stop() {
  if (parts_->stopped.exchange(true)) return;
  if (parts_->thread.joinable()) {
    stopAccepting();
    parts_->blocking.join();  // What it still decides is posted, and served below.
    run([] {});
    parts_->loop.stop();
    parts_->thread.join();
    parts_->loop.close();
  } else {
    parts_->stopAccepting();
    parts_->blocking.join();
  }
}

void SocketServer::setSpin(std::chrono::microseconds spin) { parts_->spin = spin.count(); }

}  // namespace nephrite
