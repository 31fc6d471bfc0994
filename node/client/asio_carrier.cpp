#include "node/client/asio_carrier.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <cerrno>
#include <deque>
#include <functional>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "node/client/reading_turn.h"
#include "node/wire/messages.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Generic = asio::generic::stream_protocol;
using Socket = Generic::socket;
using asio::ip::tcp;

// Until the carrier's thread listens again when no caller does: as long as they keep coming, twice
// as long each time.
constexpr std::chrono::milliseconds kFirstIdle{2}, kLongestIdle{16};
// Of messages that no thread waits for: closer to each other they go together.
constexpr std::chrono::microseconds kInARow{50};
constexpr std::size_t kKeptBytes = 1u << 20;

std::string nameOf(const ServerNodeSpecification& server) {
  if (server.transport == ServerNodeSpecification::Transport::Unix) {
    return "unix:" + server.socket.string();
  }
  return server.host + ":" + std::to_string(server.port);
}

/// Lets the thread of a context be woken by a socket, but only when that was asked for: asio itself
/// wakes it for whatever happens at a socket of its own. An epoll within asio's, whose one entry
/// fires once for each next().
///
/// Threads: next() and of() any; the others the context's.
class SocketWatch {
 public:
  SocketWatch(asio::io_context& context, std::uint32_t event)
      : event_(event | EPOLLONESHOT), epoll_(context, made(::epoll_create1(EPOLL_CLOEXEC))) {}

  /// From now on of this one, without being asked yet. Ends when it is closed.
  void of(int socket) {
    socket_ = socket;
    epoll_event hangUp{.events = EPOLLONESHOT, .data = {.fd = socket}};  // It cannot be left out.
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &hangUp);
  }
  /// When the event is there, or comes next. Harmless when the socket is closed.
  void next() {
    const int socket = socket_;
    epoll_event event{.events = event_, .data = {.fd = socket}};
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, socket, &event);
  }

  void onEach(std::function<void()> happened) {
    happened_ = std::move(happened);
    wait();
  }

 private:
  static int made(int descriptor) {
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "epoll");
    return descriptor;
  }
  void wait() {
    using Descriptor = asio::posix::stream_descriptor;
    epoll_.async_wait(Descriptor::wait_read, [this](const error_code& error) {
      if (error) return;
      epoll_event event;
      if (::epoll_wait(epoll_.native_handle(), &event, 1, 0) > 0) happened_();
      wait();
    });
  }

  const std::uint32_t event_;
  asio::posix::stream_descriptor epoll_;
  std::atomic<int> socket_{-1};
  std::function<void()> happened_;
};

/// Wakes a thread that polls.
class Interrupter final : public Waker {
 public:
  Interrupter() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Interrupter() override { ::close(descriptor_); }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

  int descriptor() const { return descriptor_; }
  void wake() override { [[maybe_unused]] const int done = ::eventfd_write(descriptor_, 1); }
  void clear() {
    eventfd_t count = 0;
    [[maybe_unused]] const int done = ::eventfd_read(descriptor_, &count);
  }

 private:
  const int descriptor_;
};

/// Has the turn while it lives.
class Turn {
 public:
  explicit Turn(ReadingTurn& turn) : turn_(turn) { turn_.take(); }
  ~Turn() { turn_.give(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  ReadingTurn& turn_;
};

}  // namespace

struct AsioCarrier::Parts {
  explicit Parts(Options given)
      : options(std::move(given)),
        name(nameOf(options.server)),
        resolver(context),
        socket(context),
        attemptTimer(context),
        wakeTimer(context),
        idleTimer(context),
        readable(context, EPOLLIN),
        writable(context, EPOLLOUT),
        turn({[this] { interrupter->wake(); }, [this] { readable.next(); }}),
        reader(options.maxFrame) {}

  // On the carrier's thread.
  void serve();
  void watch();
  void open(std::uint64_t attempt);
  void openNext(std::uint64_t attempt);
  void opened(std::uint64_t attempt, const error_code& error);
  void arrived();
  void watchWhenIdle();
  void fail(std::uint64_t attempt, const std::string& why) NEPHRITE_EXCLUDES(mutex);
  void closeSocket() NEPHRITE_EXCLUDES(mutex);
  void arm() NEPHRITE_EXCLUDES(mutex);
  void writeRest() NEPHRITE_EXCLUDES(mutex);
  bool isCurrent(std::uint64_t attempt) const { return attempt == current && !stopped; }

  // On the thread that has the turn.
  void waitForBytes(Awaited& answer);
  bool read() NEPHRITE_EXCLUDES(mutex);

  /// `append` puts the frame behind what is unsent.
  template <class Append>
  void send(const Append& append) NEPHRITE_EXCLUDES(mutex);
  /// Sends what is unsent, as far as the socket takes it now.
  void flush() NEPHRITE_EXCLUDES(mutex);
  void write() NEPHRITE_REQUIRES(mutex);

  const Options options;
  const std::string name;
  CarrierListener* listener = nullptr;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  tcp::resolver resolver;
  Socket socket;  // While it connects.
  std::deque<Generic::endpoint> endpoints;
  asio::steady_timer attemptTimer;
  asio::steady_timer wakeTimer;
  asio::steady_timer idleTimer;
  bool idleTimerRuns = false;
  std::chrono::milliseconds idle = kFirstIdle;
  SocketWatch readable, writable;
  const std::shared_ptr<Interrupter> interrupter = std::make_shared<Interrupter>();
  std::atomic<std::thread::id> own{};
  std::atomic<std::thread::id> telling{};  // A caller that tells the listener just now.
  std::thread thread;

  ReadingTurn turn;
  // Of the thread that has the turn.
  wire::FrameReader reader;
  std::array<std::uint8_t, 65536> chunk;
  std::uint64_t readAttempt = 0;

  Mutex mutex;          // A leaf; the socket is written to and closed under it.
  int descriptor = -1;  // Changes under the mutex and with the turn; either is enough to read it.
  // Written under the mutex.
  std::atomic<std::uint64_t> current{0};  // Attempt; 0 while there is none.
  std::atomic<bool> stopped{false};
  std::uint64_t lastAttempt NEPHRITE_GUARDED_BY(mutex) = 0;
  bool writing NEPHRITE_GUARDED_BY(mutex) = false;   // The carrier's thread sends the rest.
  bool flushing NEPHRITE_GUARDED_BY(mutex) = false;  // It is about to send what is unsent.
  std::string unsent NEPHRITE_GUARDED_BY(mutex);
  std::size_t sent NEPHRITE_GUARDED_BY(mutex) = 0;  // Of these.
  Instant sentAt NEPHRITE_GUARDED_BY(mutex){};      // By a thread that did not wait.
  std::optional<Instant> wakeAt NEPHRITE_GUARDED_BY(mutex);
};

AsioCarrier::AsioCarrier(Options options) : parts_(std::make_unique<Parts>(std::move(options))) {}

AsioCarrier::~AsioCarrier() { stop(); }

const std::string& AsioCarrier::server() const { return parts_->name; }

bool AsioCarrier::isOwnThread() const {
  const std::thread::id me = std::this_thread::get_id();
  return parts_->own.load(std::memory_order_relaxed) == me ||
         parts_->telling.load(std::memory_order_relaxed) == me;
}

void AsioCarrier::start(CarrierListener& listener) {
  parts_->listener = &listener;
  parts_->watch();
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
  const Turn turn(parts_->turn);
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

void AsioCarrier::Parts::watch() {
  readable.onEach([this] { arrived(); });
  writable.onEach([this] { writeRest(); });
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
    const Turn turn(parts->turn);
    parts->closeSocket();
  });
}

// With the turn: no thread reads, and none begins to.
void AsioCarrier::Parts::closeSocket() {
  turn.close();
  MutexLock hold(mutex);
  if (descriptor >= 0 && !writing) write();  // A Goodbye.
  writing = false;
  unsent.clear();
  sent = 0;
  if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
  error_code ignored;
  socket.close(ignored);
}

void AsioCarrier::Parts::open(std::uint64_t attempt) {
  if (!isCurrent(attempt)) return;
  const Turn mine(turn);
  closeSocket();
  reader = wire::FrameReader(options.maxFrame);
  endpoints.clear();
  attemptTimer.expires_after(options.connectTimeout);
  attemptTimer.async_wait([this, attempt](const error_code& error) {
    if (error) return;
    const Turn had(turn);
    fail(attempt, "it did not accept the connection in time");
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
        const Turn had(turn);
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
  socket.async_connect(endpoint, [this, attempt](const error_code& error) {
    if (!isCurrent(attempt)) return;
    {
      const Turn had(turn);
      opened(attempt, error);
    }
    watchWhenIdle();
  });
}

void AsioCarrier::Parts::opened(std::uint64_t attempt, const error_code& error) {
  if (error && !endpoints.empty()) return openNext(attempt);
  if (error) return fail(attempt, error.message());
  attemptTimer.cancel();
  error_code ignored;
  if (options.server.transport != ServerNodeSpecification::Transport::Unix) {
    socket.set_option(tcp::no_delay(true), ignored);
  }
  {
    // Out of the context, which would wake its thread for all that comes, whichever thread reads.
    MutexLock hold(mutex);
    descriptor = socket.release(ignored);
    readable.of(descriptor);
    writable.of(descriptor);
  }
  readAttempt = attempt;
  turn.open();
  listener->connected();
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

// --- Reading -------------------------------------------------------------------------------------

AnswerSource* AsioCarrier::answers() { return this; }

// A reader that tells the session does not wait: nor may the code that is told.
bool AsioCarrier::callerAsks() {
  if (!parts_->turn.isWaiting() || isOwnThread()) return false;
  parts_->turn.asks();
  return true;
}

void AsioCarrier::setUnattended(std::size_t requests) { parts_->turn.setUnattended(requests); }

bool AsioCarrier::begin() { return parts_->turn.begin(); }

void AsioCarrier::await(Awaited& answer) {
  parts_->flush();
  while (parts_->turn.next(answer)) parts_->waitForBytes(answer);
}

void AsioCarrier::end() {
  parts_->flush();
  parts_->turn.end();
}

void AsioCarrier::Parts::waitForBytes(Awaited& answer) {
  std::array<pollfd, 2> both{{{descriptor, POLLIN, 0}, {interrupter->descriptor(), POLLIN, 0}}};
  if (!answer.sleepsAt(interrupter)) return;
  int ready = 0;
  if (options.spin.count() > 0) {
    const Clock& clock = SystemClock::instance();
    const Instant until = clock.now() + options.spin;
    while (ready == 0 && clock.now() < until) ready = ::poll(both.data(), both.size(), 0);
  }
  if (ready == 0) ::poll(both.data(), both.size(), -1);
  answer.sleepsHereAgain();
  if (both[1].revents != 0) interrupter->clear();
  if (both[0].revents == 0) return;
  telling.store(std::this_thread::get_id(), std::memory_order_relaxed);
  read();
  telling.store({}, std::memory_order_relaxed);
  flush();  // What was said because of what came.
}

// The socket that the carrier's thread watches has something.
void AsioCarrier::Parts::arrived() {
  if (turn.takeWhenFree()) {
    while (read()) {
    }
    turn.give();
  }
  watchWhenIdle();
}

// While callers come and read, the carrier's thread is not woken by what comes.
void AsioCarrier::Parts::watchWhenIdle() {
  if (idleTimerRuns) return;
  if (turn.watchIfUnused()) {
    idle = kFirstIdle;
    return;
  }
  idleTimerRuns = true;
  idleTimer.expires_after(idle);
  idle = std::min(idle * 2, kLongestIdle);
  idleTimer.async_wait([this](const error_code& error) {
    if (error) return;
    idleTimerRuns = false;
    watchWhenIdle();
  });
}

// False: there was nothing, or the connection is over.
bool AsioCarrier::Parts::read() {
  const std::uint64_t attempt = readAttempt;
  const auto over = [&](const std::string& why) {
    turn.close();
    asio::post(context, [this, attempt, why] {
      const Turn had(turn);
      fail(attempt, why);
    });
    return false;
  };
  if (!isCurrent(attempt)) return false;
  const auto bytes = ::recv(descriptor, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (bytes == 0) return over("it closed the connection");
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return false;
    return over(std::generic_category().message(errno));
  }
  try {
    reader.append({chunk.data(), static_cast<std::size_t>(bytes)});
    while (isCurrent(attempt)) {
      const auto frame = reader.nextInPlace();
      if (!frame) break;
      listener->received(*frame);
    }
  } catch (const wire::WireError& wrong) {
    return over(wrong.what());
  }
  return true;
}

// --- Sending -------------------------------------------------------------------------------------

void AsioCarrier::send(std::string frame) {
  parts_->send([&](std::string& unsent) { unsent += frame; });
}

void AsioCarrier::sendFramed(const wire::FrameHeader& header, std::string_view message) {
  parts_->send([&](std::string& unsent) { wire::appendFrame(unsent, header, message); });
}

// A thread that will wait sends when it begins to, with all that is unsent. A thread that will not
// sends at once; but several messages in a row are left to the next thread that waits, or to the
// carrier's thread, whichever comes first.
template <class Append>
void AsioCarrier::Parts::send(const Append& append) {
  const bool waits = turn.isWaiting();
  {
    MutexLock hold(mutex);
    if (descriptor < 0 || current == 0) return;
    append(unsent);
    if (waits || writing || flushing) return;
    const Instant now = SystemClock::instance().now();
    const bool inARow = now - std::exchange(sentAt, now) < kInARow;
    if (!inARow) return write();
    flushing = true;
  }
  asio::post(context, [this] { flush(); });
}

void AsioCarrier::Parts::flush() {
  MutexLock hold(mutex);
  // Reset the coalescing timer: the next message that no caller waits for is sent at once.
  if (std::this_thread::get_id() != own.load(std::memory_order_relaxed)) {
    sentAt = {};
  } else {
    flushing = false;
  }
  if (!writing) write();
}

void AsioCarrier::Parts::write() {
  writing = false;
  while (sent < unsent.size()) {
    const auto taken =
        ::send(descriptor, unsent.data() + sent, unsent.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0) {
      sent += static_cast<std::size_t>(taken);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      writing = true;
      writable.next();
      return;
    }
    break;  // Broken; the reader is told, too.
  }
  unsent.clear();
  if (unsent.capacity() > kKeptBytes) unsent = {};
  sent = 0;
}

void AsioCarrier::Parts::writeRest() {
  MutexLock hold(mutex);
  if (writing) write();
}

void AsioCarrier::takeFramesOf(std::uint32_t bytes) { parts_->reader.setMaxLength(bytes); }

// --- Time ----------------------------------------------------------------------------------------

void AsioCarrier::wakeAt(Instant at) {
  {
    MutexLock hold(parts_->mutex);
    // A tick that is due earlier asks for the next itself.
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
    const Turn had(turn);
    listener->tick();
  });
}

}  // namespace nephrite
