#include "tests/support/loopback.h"

#include <span>
#include <utility>

#include "base/check.h"
#include "node/wire/messages.h"

namespace nephrite {

// --- The queue -----------------------------------------------------------------------------------

LoopbackQueue::LoopbackQueue(Threads threads) {
  if (threads == Threads::Own) thread_ = std::thread([this] { serve(); });
}

LoopbackQueue::~LoopbackQueue() { stop(); }

void LoopbackQueue::post(std::function<void()> work) {
  MutexLock hold(mutex_);
  if (stopped_) return;
  work_.push_back(std::move(work));
  changed_.notifyAll();
}

void LoopbackQueue::run(std::function<void()> work) {
  if (isInside()) return work();
  post(std::move(work));
}

bool LoopbackQueue::isInside() const {
  MutexLock hold(mutex_);
  return inside_ == std::this_thread::get_id();
}

bool LoopbackQueue::runNext() {
  std::function<void()> next;
  {
    MutexLock hold(mutex_);
    if (work_.empty()) return false;
    next = std::move(work_.front());
    work_.pop_front();
    inside_ = std::this_thread::get_id();
  }
  next();
  next = nullptr;  // What it held goes from here, too.
  MutexLock hold(mutex_);
  inside_ = {};
  changed_.notifyAll();
  return true;
}

bool LoopbackQueue::pump() {
  if (thread_.joinable()) return false;
  NEPHRITE_CHECK(runNext() && "nothing is under way that could be waited for");
  return true;
}

void LoopbackQueue::settle() {
  NEPHRITE_CHECK(!isInside());
  if (!thread_.joinable()) {
    while (runNext()) {
    }
    return;
  }
  MutexLock hold(mutex_);
  while (!work_.empty() || inside_ != std::thread::id()) changed_.wait(mutex_);
}

void LoopbackQueue::stop() {
  settle();
  {
    MutexLock hold(mutex_);
    stopped_ = true;
    changed_.notifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void LoopbackQueue::serve() {
  for (;;) {
    while (runNext()) {
    }
    MutexLock hold(mutex_);
    while (work_.empty() && !stopped_) changed_.wait(mutex_);
    if (work_.empty()) return;
  }
}

// --- The wire ------------------------------------------------------------------------------------

/// One connection, both ends of it. Its readers are used inside the queue only.
class LoopbackCarrier::Connection final : public ServerConnection,
                                          public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(LoopbackCarrier& carrier) : carrier_(carrier) {}

  void toServer(const std::string& bytes) {
    eachFrame(toServer_, bytes, [this](const wire::Frame& frame) {
      if (!closed_) carrier_.sessions_.received(*this, frame);
    });
  }

  // The server's end.
  void send(std::string frame) override {
    if (closed_) return;
    carrier_.queue_.post(
        [self = shared_from_this(), frame = std::move(frame)] { self->toClient(frame); });
  }
  void close() override {
    if (std::exchange(closed_, true)) return;
    carrier_.queue_.post([self = shared_from_this()] { self->carrier_.hungUp(*self); });
  }
  std::size_t bytesQueued() const override { return 0; }
  const std::string& address() const override { return carrier_.name_; }

  void toClient(const std::string& bytes) {
    eachFrame(toClient_, bytes, [this](const wire::Frame& frame) {
      if (CarrierListener* const listener = carrier_.listenerOf(*this)) listener->received(frame);
    });
  }

 private:
  template <class Take>
  static void eachFrame(wire::FrameReader& reader, const std::string& bytes, const Take& take) {
    reader.append({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    while (const auto frame = reader.next()) take(*frame);
  }

  LoopbackCarrier& carrier_;
  wire::FrameReader toServer_{UINT32_MAX};
  wire::FrameReader toClient_{UINT32_MAX};
  bool closed_ = false;  // By the server.
};

LoopbackCarrier::LoopbackCarrier(LoopbackQueue& queue, ServerSessions& sessions)
    : queue_(queue), sessions_(sessions) {}

void LoopbackCarrier::start(CarrierListener& listener) {
  MutexLock hold(mutex_);
  listener_ = &listener;
}

void LoopbackCarrier::stop() {
  disconnect();
  {
    MutexLock hold(mutex_);
    listener_ = nullptr;
  }
  queue_.settle();  // A call of the listener may be under way.
}

void LoopbackCarrier::connect() {
  const auto connection = std::make_shared<Connection>(*this);
  MutexLock hold(mutex_);
  connection_ = connection;
  queue_.post([this, connection] {
    sessions_.opened(connection);
    if (CarrierListener* const listener = listenerOf(*connection)) listener->connected();
  });
}

void LoopbackCarrier::disconnect() {
  MutexLock hold(mutex_);
  if (connection_ == nullptr) return;
  queue_.post([this, gone = std::exchange(connection_, nullptr)] { sessions_.closed(*gone); });
}

void LoopbackCarrier::send(std::string frame) {
  MutexLock hold(mutex_);
  if (connection_ == nullptr) return;
  queue_.post([to = connection_, frame = std::move(frame)] { to->toServer(frame); });
}

CarrierListener* LoopbackCarrier::listenerOf(const Connection& connection) {
  MutexLock hold(mutex_);
  return connection_.get() == &connection ? listener_ : nullptr;
}

void LoopbackCarrier::hungUp(const Connection& connection) {
  CarrierListener* listener = nullptr;
  {
    MutexLock hold(mutex_);
    if (connection_.get() != &connection) return;
    connection_ = nullptr;
    listener = listener_;
  }
  if (listener != nullptr) listener->disconnected("the server hung up");
}

}  // namespace nephrite
