#include "node/client/asio_carrier.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <thread>

#include "base/mutex.h"
#include "node/wire/messages.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Generic = asio::generic::stream_protocol;
using Socket = Generic::socket;
using asio::ip::tcp;

std::string nameOf(const ServerNodeSpecification& server) {
  if (server.transport == ServerNodeSpecification::Transport::Unix) {
    return "unix:" + server.socket.string();
  }
  return server.host + ":" + std::to_string(server.port);
}

}  // namespace

struct AsioCarrier::Parts {
  explicit Parts(Options given)
      : options(std::move(given)),
        name(nameOf(options.server)),
        resolver(context),
        socket(context),
        attemptTimer(context),
        wakeTimer(context),
        reader(options.maxFrame) {}

  // On the carrier's thread.
  void serve();
  void open(std::uint64_t attempt);
  void openNext(std::uint64_t attempt);
  void opened(std::uint64_t attempt, const error_code& error);
  void read(std::uint64_t attempt);
  void arrived(std::uint64_t attempt, const error_code& error, std::size_t bytes);
  void fail(std::uint64_t attempt, const std::string& why) NEPHRITE_EXCLUDES(mutex);
  void closeSocket() NEPHRITE_EXCLUDES(mutex);
  void arm() NEPHRITE_EXCLUDES(mutex);
  void writeRest(std::uint64_t attempt) NEPHRITE_EXCLUDES(mutex);
  bool isCurrent(std::uint64_t attempt) NEPHRITE_EXCLUDES(mutex) {
    MutexLock hold(mutex);
    return attempt == current && !stopped;
  }

  /// Sends what the socket takes now. True when something is left.
  bool writeSome() NEPHRITE_REQUIRES(mutex);

  const Options options;
  const std::string name;
  CarrierListener* listener = nullptr;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  tcp::resolver resolver;
  Socket socket;
  std::deque<Generic::endpoint> endpoints;
  asio::steady_timer attemptTimer;
  asio::steady_timer wakeTimer;
  wire::FrameReader reader;
  std::array<std::uint8_t, 65536> chunk;
  std::atomic<std::thread::id> own{};
  std::thread thread;

  Mutex mutex;  // A leaf; the socket is written to and closed under it.
  std::uint64_t current NEPHRITE_GUARDED_BY(mutex) = 0;  // Attempt; 0 while there is none.
  std::uint64_t lastAttempt NEPHRITE_GUARDED_BY(mutex) = 0;
  bool isOpen NEPHRITE_GUARDED_BY(mutex) = false;
  bool stopped NEPHRITE_GUARDED_BY(mutex) = false;
  bool writing NEPHRITE_GUARDED_BY(mutex) = false;  // The carrier's thread sends the rest.
  std::deque<std::string> queue NEPHRITE_GUARDED_BY(mutex);
  std::size_t sentOfFirst NEPHRITE_GUARDED_BY(mutex) = 0;
  std::optional<Instant> wakeAt NEPHRITE_GUARDED_BY(mutex);
};

AsioCarrier::AsioCarrier(Options options) : parts_(std::make_unique<Parts>(std::move(options))) {}

AsioCarrier::~AsioCarrier() { stop(); }

const std::string& AsioCarrier::server() const { return parts_->name; }

bool AsioCarrier::isOwnThread() const {
  return parts_->own.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void AsioCarrier::start(CarrierListener& listener) {
  parts_->listener = &listener;
  parts_->thread = std::thread([parts = parts_.get()] { parts->serve(); });
}

void AsioCarrier::stop() {
  {
    MutexLock hold(parts_->mutex);
    if (parts_->stopped) return;
    parts_->stopped = true;
  }
  parts_->context.stop();
  if (parts_->thread.joinable()) parts_->thread.join();
  parts_->closeSocket();
}

void AsioCarrier::Parts::serve() {
  own = std::this_thread::get_id();
  while (!context.stopped()) {
    if (options.spin.count() > 0) {
      const Clock& clock = SystemClock::instance();
      const Instant until = clock.now() + options.spin;
      bool did = false;
      while (!did && !context.stopped() && clock.now() < until) {
        did = context.poll() > 0;
      }
      if (did) continue;
    }
    context.run_one();
  }
}

// --- Connecting ----------------------------------------------------------------------------------

void AsioCarrier::connect() {
  std::uint64_t attempt = 0;
  {
    MutexLock hold(parts_->mutex);
    attempt = parts_->current = ++parts_->lastAttempt;
  }
  asio::post(parts_->context, [parts = parts_.get(), attempt] { parts->open(attempt); });
}

void AsioCarrier::disconnect() {
  {
    MutexLock hold(parts_->mutex);
    parts_->current = 0;
  }
  asio::post(parts_->context, [parts = parts_.get()] {
    {
      MutexLock hold(parts->mutex);
      if (parts->current != 0) return;  // The next attempt closes it.
    }
    parts->closeSocket();
  });
}

void AsioCarrier::Parts::closeSocket() {
  MutexLock hold(mutex);
  isOpen = false;
  writing = false;
  queue.clear();
  sentOfFirst = 0;
  error_code ignored;
  socket.close(ignored);
}

void AsioCarrier::Parts::open(std::uint64_t attempt) {
  if (!isCurrent(attempt)) return;
  closeSocket();
  reader = wire::FrameReader(options.maxFrame);
  endpoints.clear();
  attemptTimer.expires_after(options.connectTimeout);
  attemptTimer.async_wait([this, attempt](const error_code& error) {
    if (!error) fail(attempt, "it did not accept the connection in time");
  });

  using Transport = ServerNodeSpecification::Transport;
  const ServerNodeSpecification& server = options.server;
  if (server.transport == Transport::Unix) {
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(server.socket.string()));
    return openNext(attempt);
  }
  resolver.async_resolve(
      server.host, std::to_string(server.port), tcp::resolver::numeric_service,
      [this, attempt](const error_code& error, const tcp::resolver::results_type& found) {
        if (!isCurrent(attempt)) return;
        if (error) return fail(attempt, "its name is not known: " + error.message());
        for (const auto& entry : found) {
          const bool v4 = entry.endpoint().address().is_v4();
          if (options.server.transport == Transport::TcpIPv4 && !v4) continue;
          if (options.server.transport == Transport::TcpIPv6 && v4) continue;
          endpoints.emplace_back(entry.endpoint());
        }
        if (endpoints.empty()) return fail(attempt, "its name has no address of that kind");
        openNext(attempt);
      });
}

void AsioCarrier::Parts::openNext(std::uint64_t attempt) {
  const Generic::endpoint endpoint = endpoints.front();
  endpoints.pop_front();
  closeSocket();
  socket.async_connect(endpoint,
                       [this, attempt](const error_code& error) { opened(attempt, error); });
}

void AsioCarrier::Parts::opened(std::uint64_t attempt, const error_code& error) {
  if (!isCurrent(attempt)) return;
  if (error && !endpoints.empty()) return openNext(attempt);
  if (error) return fail(attempt, error.message());
  attemptTimer.cancel();
  error_code ignored;
  if (options.server.transport != ServerNodeSpecification::Transport::Unix) {
    socket.set_option(tcp::no_delay(true), ignored);
  }
  socket.non_blocking(true, ignored);
  {
    MutexLock hold(mutex);
    isOpen = true;
  }
  listener->connected();
  read(attempt);
}

void AsioCarrier::Parts::fail(std::uint64_t attempt, const std::string& why) {
  {
    MutexLock hold(mutex);
    if (attempt != current) return;
    current = 0;
  }
  attemptTimer.cancel();
  resolver.cancel();
  closeSocket();
  listener->disconnected(why);
}

// --- Frames --------------------------------------------------------------------------------------

void AsioCarrier::Parts::read(std::uint64_t attempt) {
  if (!isCurrent(attempt)) return;
  socket.async_read_some(asio::buffer(chunk),
                         [this, attempt](const error_code& error, std::size_t bytes) {
                           arrived(attempt, error, bytes);
                         });
}

void AsioCarrier::Parts::arrived(std::uint64_t attempt, const error_code& error,
                                 std::size_t bytes) {
  if (!isCurrent(attempt)) return;
  if (error) {
    return fail(attempt, error == asio::error::eof ? "it closed the connection" : error.message());
  }
  try {
    reader.append({chunk.data(), bytes});
    while (isCurrent(attempt)) {
      const auto frame = reader.next();
      if (!frame) break;
      listener->received(*frame);
    }
  } catch (const wire::WireError& wrong) {
    return fail(attempt, wrong.what());
  }
  read(attempt);
}

void AsioCarrier::send(std::string frame) {
  std::uint64_t attempt = 0;
  {
    MutexLock hold(parts_->mutex);
    if (!parts_->isOpen || parts_->current == 0) return;
    parts_->queue.push_back(std::move(frame));
    if (parts_->writing || !parts_->writeSome()) return;
    parts_->writing = true;
    attempt = parts_->current;
  }
  asio::post(parts_->context, [parts = parts_.get(), attempt] { parts->writeRest(attempt); });
}

bool AsioCarrier::Parts::writeSome() {
  while (!queue.empty()) {
    const std::string& frame = queue.front();
    const auto sent = ::send(socket.native_handle(), frame.data() + sentOfFirst,
                             frame.size() - sentOfFirst, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      queue.clear();  // Broken; the reader is told, too.
      sentOfFirst = 0;
      return false;
    }
    sentOfFirst += static_cast<std::size_t>(sent);
    if (sentOfFirst < frame.size()) continue;
    queue.pop_front();
    sentOfFirst = 0;
  }
  return false;
}

void AsioCarrier::Parts::writeRest(std::uint64_t attempt) {
  if (!isCurrent(attempt)) return;
  socket.async_wait(Socket::wait_write, [this, attempt](const error_code& error) {
    {
      MutexLock hold(mutex);
      if (error || attempt != current || !isOpen) return;
      writing = writeSome();
      if (!writing) return;
    }
    writeRest(attempt);
  });
}

// --- Time ----------------------------------------------------------------------------------------

void AsioCarrier::wakeAt(Instant at) {
  {
    MutexLock hold(parts_->mutex);
    // One that is due earlier asks for the next one itself.
    if (parts_->wakeAt && *parts_->wakeAt <= at) return;
    parts_->wakeAt = at;
  }
  asio::post(parts_->context, [parts = parts_.get()] { parts->arm(); });
}

void AsioCarrier::Parts::arm() {
  std::optional<Instant> at;
  {
    MutexLock hold(mutex);
    at = wakeAt;
  }
  if (!at) return;
  wakeTimer.expires_after(std::max(Duration(0), *at - SystemClock::instance().now()));
  wakeTimer.async_wait([this](const error_code& error) {
    if (error) return;
    {
      MutexLock hold(mutex);
      wakeAt.reset();
    }
    listener->tick();
  });
}

}  // namespace nephrite
