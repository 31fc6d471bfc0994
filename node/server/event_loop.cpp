#include "node/server/event_loop.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace nephrite {
namespace {

int made(int descriptor, const char* what) {
  if (descriptor >= 0) return descriptor;
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

void Descriptor::close() {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

EventLoop::EventLoop()
    : epoll_(made(::epoll_create1(EPOLL_CLOEXEC), "waiting for sockets (epoll_create1)")),
      wake_(made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "waiting for threads (eventfd)")),
      timer_(made(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                  "waiting for deadlines (timerfd_create)")) {
  for (const Descriptor* own : {&wake_, &timer_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = const_cast<Descriptor*>(own);
    made(::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, own->number(), &event), "epoll_ctl");
  }
}

void EventLoop::add(int descriptor, Watcher& watcher, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  made(::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event),
       "waiting for a socket (epoll_ctl)");
}

void EventLoop::change(int descriptor, Watcher& watcher, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, descriptor, &event);
}

void EventLoop::remove(int descriptor, const Watcher& watcher) {
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, descriptor, nullptr);
  for (std::size_t i = next_; i < count_; ++i) {
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
  }
}

void EventLoop::post(std::function<void()> work) {
  bool first = false;
  {
    MutexLock hold(mutex_);
    if (closed_) return;
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (first) ::eventfd_write(wake_.number(), 1);
}

void EventLoop::close() {
  std::vector<std::function<void()>> dropped;  // They may call us when they end.
  MutexLock hold(mutex_);
  closed_ = true;
  dropped.swap(posted_);
}

void EventLoop::runPosted() {
  eventfd_t ignored = 0;
  ::eventfd_read(wake_.number(), &ignored);
  std::vector<std::function<void()>> posted;
  {
    MutexLock hold(mutex_);
    posted.swap(posted_);
  }
  for (const auto& work : posted) work();
}

void EventLoop::callIn(Duration wait, std::function<void()> due) {
  due_ = std::move(due);
  const auto nanoseconds = std::max<std::int64_t>(wait.count(), 1);  // 0 would be never.
  itimerspec when{};
  when.it_value.tv_sec = nanoseconds / 1'000'000'000;
  when.it_value.tv_nsec = nanoseconds % 1'000'000'000;
  ::timerfd_settime(timer_.number(), 0, &when, nullptr);
}

bool EventLoop::once(bool sleeps) {
  const int found = ::epoll_wait(epoll_.number(), events_.data(), static_cast<int>(events_.size()),
                                 sleeps ? -1 : 0);
  count_ = static_cast<std::size_t>(std::max(found, 0));
  for (next_ = 0; next_ < count_;) {
    const epoll_event event = events_[next_++];
    if (event.data.ptr == nullptr) continue;
    if (event.data.ptr == &wake_) {
      runPosted();
    } else if (event.data.ptr == &timer_) {
      std::uint64_t times = 0;
      // Not when it was set anew since.
      if (::read(timer_.number(), &times, sizeof(times)) != sizeof(times)) continue;
      if (const auto due = std::exchange(due_, {})) due();
    } else {
      static_cast<Watcher*>(event.data.ptr)->ready(event.events);
    }
  }
  return count_ > 0;
}

void EventLoop::run(const std::atomic<std::int64_t>& spin) {
  while (!stopped_) {
    const auto longest = std::chrono::microseconds(spin.load(std::memory_order_relaxed));
    bool did = false;
    if (longest.count() > 0) {
      const Clock& clock = SystemClock::instance();
      const Instant until = clock.now() + longest;
      while (!did && !stopped_ && clock.now() < until) did = once(false);
    }
    if (!did && !stopped_) once(true);
  }
}

void EventLoop::stop() {
  stopped_ = true;
  ::eventfd_write(wake_.number(), 1);
}

}  // namespace nephrite
