#include "node/server/asio_server.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

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
#include "runtime/exceptions.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;
using Unix = asio::local::stream_protocol;
using asio::ip::tcp;

[[noreturn]] void refuseAddress(const std::string& what) {
  throw UsageException(ErrorCode::ServerRefused, what);
}

// Until clients can prove who they are, only those on this machine may come.
tcp::endpoint loopbackEndpoint(const std::string& address, std::uint16_t port) {
  error_code error;
  const auto ip = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
  if (error) {
    refuseAddress("[NephriteServer] ListenAddress=" + address +
                  " is no IP address; 127.0.0.1 and ::1 can be listened on");
  }
  if (!ip.is_loopback()) {
    refuseAddress("[NephriteServer] ListenAddress=" + address +
                  " is refused: clients cannot authenticate themselves yet, so a server node "
                  "listens on this machine only (127.0.0.1 or ::1, and a unix socket); to reach it "
                  "from elsewhere, forward the port with ssh -L");
  }
  return {ip, port};
}

// Whoever may enter the directory may connect: it must be the server's user alone.
void preparePrivateDirectory(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) return;
  struct stat found {};
  if (errno != EEXIST || ::stat(directory.c_str(), &found) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "making the directory " + directory.string() +
                                " for the unix socket ([NephriteServer] UnixSocket)");
  }
  if ((found.st_mode & 077) != 0) {
    refuseAddress("the directory " + directory.string() +
                  " of the unix socket can be entered by other users: chmod 0700 it, or name "
                  "another one in [NephriteServer] UnixSocket (whoever can connect can do "
                  "everything, until clients can authenticate themselves)");
  }
}

void removeStaleSocket(asio::io_context& context, const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return;
  if (!std::filesystem::is_socket(path, none)) {
    refuseAddress(path.string() + " is there and no socket ([NephriteServer] UnixSocket)");
  }
  Unix::socket probe(context);
  error_code error;
  probe.connect(Unix::endpoint(path.string()), error);
  if (!error) {
    refuseAddress("another server listens on " + path.string() + " ([NephriteServer] UnixSocket)");
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

struct AsioServer::Parts {
  explicit Parts(Options given)
      : options(std::move(given)),
        spin(options.spin.count()),
        timer(context),
        tcpAcceptor(context),
        unixAcceptor(context),
        blocking(options.blockingThreads) {}

  void listen();
  void serve();
  void accept();
  template <typename Acceptor>
  void acceptOn(Acceptor& acceptor);
  void welcome(Socket socket, const std::string& address);

  /// Everything that the serving thread does for the sessions is a turn; what it sent goes out, and
  /// the next deadline is set, at its end.
  void turn(const std::function<void()>& work);
  void endTurn();
  void setTimer();
  void stopAccepting();

  Options options;
  std::atomic<std::int64_t> spin;  // Microseconds.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  asio::steady_timer timer;
  std::optional<Instant> timerAt;
  tcp::acceptor tcpAcceptor;
  Unix::acceptor unixAcceptor;
  std::uint16_t port = 0;
  ServerSessions* sessions = nullptr;
  std::vector<std::shared_ptr<Connection>> dirty;  // Have something to send.
  unsigned turns = 0;                              // Nested ones are one.
  std::atomic<std::thread::id> serving{};
  std::array<std::uint8_t, 65536> chunk;  // Of whoever reads now: an idle connection needs none.
  std::atomic<bool> stopped{false};
  asio::thread_pool blocking;
  std::thread thread;
};

class AsioServer::Connection final : public ServerConnection,
                                     public std::enable_shared_from_this<Connection> {
 public:
  Connection(Parts& parts, Socket socket, std::string address)
      : parts_(parts),
        socket_(std::move(socket)),
        address_(std::move(address)),
        reader_(parts.options.maxFrame) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  void send(std::string frame) override {
    if (closed_) return;
    queued_ += frame.size();
    queue_.push_back(std::move(frame));
    if (dirty_) return;
    dirty_ = true;
    parts_.dirty.push_back(shared_from_this());
  }
  std::size_t bytesQueued() const override { return queued_; }
  const std::string& address() const override { return address_; }

  void close() override {
    if (closed_) return;
    flush();
    closed_ = true;
    error_code ignored;
    socket_.shutdown(Socket::shutdown_both, ignored);
    socket_.close(ignored);
    queue_.clear();
    queued_ = 0;
  }

  void read() {
    if (closed_ || reading_) return;
    if (queued_ > parts_.options.pauseReadingAbove) return;  // It asks and does not listen.
    reading_ = true;
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& error) {
      self->reading_ = false;
      self->parts_.turn([&] { self->readable(error); });
    });
  }

  /// At the end of a turn: whatever the other side takes at once, in one call of the system.
  void flush() {
    dirty_ = false;
    if (closed_ || writing_ || queue_.empty()) return;
    std::vector<asio::const_buffer> buffers;
    constexpr std::size_t kMostBuffers = 64;
    while (!queue_.empty()) {
      buffers.clear();
      for (const std::string& frame : queue_) {
        if (buffers.size() == kMostBuffers) break;
        const std::size_t from = buffers.empty() ? sentOfFirst_ : 0;
        buffers.emplace_back(frame.data() + from, frame.size() - from);
      }
      error_code error;
      const std::size_t sent = socket_.write_some(buffers, error);
      if (error == asio::error::would_block || error == asio::error::try_again) break;
      if (error) return;  // The reader sees it, too.
      taken(sent);
    }
    if (queue_.empty()) return;
    writing_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code&) {
      self->writing_ = false;
      self->parts_.turn([&] {
        const std::size_t before = self->queued_;
        self->flush();
        if (self->queued_ < before) self->parts_.sessions->heard(*self);
        self->read();
      });
    });
  }

 private:
  void readable(error_code error) {
    if (closed_) return;
    std::size_t bytes = 0;
    if (!error) bytes = socket_.read_some(asio::buffer(parts_.chunk), error);
    if (error == asio::error::would_block || error == asio::error::try_again) return read();
    if (error) return parts_.sessions->closed(*this);
    try {
      reader_.append({parts_.chunk.data(), bytes});
      while (!closed_) {
        const auto frame = reader_.next();
        if (!frame) break;
        parts_.sessions->received(*this, *frame);
      }
    } catch (const wire::WireError& wrong) {
      return parts_.sessions->violated(*this, wrong.what());
    }
    flush();
    read();
  }

  void taken(std::size_t bytes) {
    queued_ -= bytes;
    bytes += sentOfFirst_;
    while (!queue_.empty() && bytes >= queue_.front().size()) {
      bytes -= queue_.front().size();
      queue_.pop_front();
    }
    sentOfFirst_ = bytes;
  }

  Parts& parts_;
  Socket socket_;
  const std::string address_;
  wire::FrameReader reader_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  std::size_t sentOfFirst_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool dirty_ = false;
  bool closed_ = false;
};

// --- Listening -----------------------------------------------------------------------------------

AsioServer::AsioServer(Options options) : parts_(std::make_unique<Parts>(std::move(options))) {
  parts_->listen();
}

AsioServer::~AsioServer() { stop(); }

std::uint16_t AsioServer::port() const { return parts_->port; }

void AsioServer::Parts::listen() {
  const tcp::endpoint endpoint = loopbackEndpoint(options.listenAddress, options.port);
  error_code error;
  tcpAcceptor.open(endpoint.protocol());
  tcpAcceptor.set_option(tcp::acceptor::reuse_address(true));
  tcpAcceptor.bind(endpoint, error);
  if (!error) tcpAcceptor.listen(4096, error);
  if (error) {
    refuseAddress("cannot listen on " + options.listenAddress + ":" + std::to_string(options.port) +
                  " ([NephriteServer] ListenAddress, Port): " + error.message());
  }
  port = tcpAcceptor.local_endpoint().port();
  if (options.unixSocket.empty()) return;

  preparePrivateDirectory(options.unixSocket.parent_path());
  removeStaleSocket(context, options.unixSocket);
  unixAcceptor.open();
  unixAcceptor.bind(Unix::endpoint(options.unixSocket.string()), error);
  if (!error) unixAcceptor.listen(4096, error);
  if (error) {
    refuseAddress("cannot listen on " + options.unixSocket.string() +
                  " ([NephriteServer] UnixSocket): " + error.message());
  }
}

void AsioServer::Parts::accept() {
  acceptOn(tcpAcceptor);
  if (unixAcceptor.is_open()) acceptOn(unixAcceptor);
}

template <typename Acceptor>
void AsioServer::Parts::acceptOn(Acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](const error_code& error, auto socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      // Out of file descriptors, most likely: let others end first.
      log(LogLevel::Error, "connection.not_accepted", {{"why", error.message()}});
      auto pause = std::make_shared<asio::steady_timer>(context, std::chrono::milliseconds(100));
      pause->async_wait([this, &acceptor, pause](const error_code& ended) {
        if (!ended && acceptor.is_open()) acceptOn(acceptor);
      });
      return;
    }
    const std::string address = addressOf(socket);
    if constexpr (std::is_same_v<std::decay_t<decltype(socket)>, tcp::socket>) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
    }
    welcome(Socket(std::move(socket)), address);
    acceptOn(acceptor);
  });
}

void AsioServer::Parts::welcome(Socket socket, const std::string& address) {
  const auto connection = std::make_shared<Connection>(*this, std::move(socket), address);
  turn([&] {
    sessions->opened(connection);
    connection->read();
  });
}

// --- Serving -------------------------------------------------------------------------------------

void AsioServer::Parts::turn(const std::function<void()>& work) {
  ++turns;
  work();
  if (--turns == 0) endTurn();
}

void AsioServer::Parts::endTurn() {
  while (!dirty.empty()) {
    const auto connections = std::exchange(dirty, {});
    for (const auto& connection : connections) connection->flush();
  }
  setTimer();
}

void AsioServer::Parts::setTimer() {
  const auto next = sessions == nullptr ? std::nullopt : sessions->nextDeadline();
  // A deadline that has moved on is noticed when the timer fires, so that a busy server does not
  // set it again and again.
  if (!next || (timerAt && *timerAt <= *next)) return;
  timerAt = next;
  timer.expires_after(std::max(Duration(0), *next - SystemClock::instance().now()));
  timer.async_wait([this](const error_code& error) {
    if (error) return;
    timerAt.reset();
    turn([this] { sessions->expire(SystemClock::instance().now()); });
  });
}

void AsioServer::Parts::serve() {
  serving = std::this_thread::get_id();
  while (!context.stopped()) {
    const auto longest = std::chrono::microseconds(spin.load(std::memory_order_relaxed));
    if (longest.count() > 0) {
      const Clock& clock = SystemClock::instance();
      const Instant until = clock.now() + longest;
      bool did = false;
      while (!did && !context.stopped() && clock.now() < until) {
        did = context.poll() > 0;
      }
      if (did) continue;
    }
    context.run_one();
  }
}

void AsioServer::start(ServerSessions& sessions) {
  parts_->sessions = &sessions;
  parts_->accept();
  parts_->thread = std::thread([parts = parts_.get()] { parts->serve(); });
}

ServerSessions::Hooks AsioServer::hooks() {
  ServerSessions::Hooks hooks;
  hooks.run = [parts = parts_.get()](std::function<void()> work) {
    if (parts->serving.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      return parts->turn(work);
    }
    asio::post(parts->context, [parts, work = std::move(work)] { parts->turn(work); });
  };
  hooks.block = [parts = parts_.get()](std::function<void()> work) {
    asio::post(parts->blocking, std::move(work));
  };
  hooks.newKey = [] {
    wire::SessionKey key{};
    NEPHRITE_CHECK(::getrandom(key.data(), key.size(), 0) == static_cast<ssize_t>(key.size()));
    return key;
  };
  return hooks;
}

void AsioServer::run(const std::function<void()>& work) {
  std::promise<void> done;
  asio::post(parts_->context, [&] {
    parts_->turn(work);
    done.set_value();
  });
  done.get_future().wait();
}

void AsioServer::post(std::function<void()> work) {
  asio::post(parts_->context,
             [parts = parts_.get(), work = std::move(work)] { parts->turn(work); });
}

void AsioServer::Parts::stopAccepting() {
  error_code ignored;
  tcpAcceptor.close(ignored);
  if (!unixAcceptor.is_open()) return;
  unixAcceptor.close(ignored);
  std::error_code none;
  std::filesystem::remove(options.unixSocket, none);
}

void AsioServer::stopAccepting() {
  run([this] { parts_->stopAccepting(); });
}

void AsioServer::stop() {
  if (parts_->stopped.exchange(true)) return;
  if (parts_->thread.joinable()) {
    stopAccepting();
    parts_->blocking.join();  // What it still decides is posted, and served below.
    run([] {});
    parts_->guard.reset();
    parts_->context.stop();
    parts_->thread.join();
  } else {
    parts_->stopAccepting();
    parts_->blocking.join();
  }
}

void AsioServer::setSpin(std::chrono::microseconds spin) { parts_->spin = spin.count(); }

}  // namespace nephrite
