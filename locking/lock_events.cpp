#include "locking/lock_events.h"

#include <algorithm>
#include <exception>
#include <string>

#include "base/log.h"
#include "locking/lock_manager.h"

namespace nephrite {

std::string_view nameOf(LockEventKind kind) {
  switch (kind) {
    case LockEventKind::Granted: return "granted";
    case LockEventKind::Changed: return "changed";
    case LockEventKind::Released: return "released";
    case LockEventKind::Lapsed: return "lapsed";
    case LockEventKind::Broken: return "broken";
    case LockEventKind::Waiting: return "waiting";
    case LockEventKind::Refused: return "refused";
    case LockEventKind::TimedOut: return "timeout";
    case LockEventKind::Deadlock: return "deadlock";
    case LockEventKind::Cancelled: return "cancelled";
    case LockEventKind::LetThrough: return "let through";
  }
  return "unknown";
}

std::string_view nameOf(LockEventCause cause) {
  switch (cause) {
    case LockEventCause::Request: return "request";
    case LockEventCause::Commit: return "commit";
    case LockEventCause::Unlock: return "unlock";
    case LockEventCause::EndOfTransaction: return "end of transaction";
    case LockEventCause::EndOfLevel: return "end of level";
    case LockEventCause::SignOff: return "sign-off";
    case LockEventCause::Inheritance: return "inheritance";
    case LockEventCause::Lease: return "lease";
    case LockEventCause::Force: return "force";
    case LockEventCause::Limit: return "limit";
  }
  return "unknown";
}

LockWatch::~LockWatch() {
  if (locks_ != nullptr) locks_->unwatch(target_);
}

LockSubscription::~LockSubscription() {
  if (log_ != nullptr) log_->unsubscribe(number_);
}

// --- The log -------------------------------------------------------------------------------------

LockEvent& LockEventLog::add() {
  if (hasSubscribers_.load(std::memory_order_relaxed)) {
    isNew_.store(true, std::memory_order_relaxed);
    isAnyNew_.store(true, std::memory_order_relaxed);
  }
  if (events_.size() < most_) events_.emplace_back();
  LockEvent& event = most_ == 0 ? none_ : events_[next_];
  if (++next_ >= most_) next_ = 0;
  event = {};
  event.sequence = ++last_;
  return event;
}

bool LockEventLog::find(LockEvents& found, std::size_t most) const {
  const std::uint64_t before = last_ - events_.size();  // The last that is kept no more.
  found.next = std::min(found.next, last_);
  if (found.next < before) {
    if (!found.events.empty()) return false;  // The next call says how many.
    found.lost += before - found.next;
    found.next = before;
  }
  for (; most > 0 && found.next < last_; --most) {
    found.events.push_back(events_[found.next++ % most_]);
  }
  return found.next < last_;
}

// --- Subscribers ---------------------------------------------------------------------------------

LockSubscription LockEventLog::subscribe(std::function<void()> told) {
  MutexLock hold(mutex_);
  const std::uint64_t number = ++lastSubscriber_;
  subscribers_.push_back(std::make_shared<const Subscriber>(Subscriber{number, std::move(told)}));
  hasSubscribers_ = true;
  return {*this, number};
}

void LockEventLog::unsubscribe(std::uint64_t number) {
  std::shared_ptr<const Subscriber> gone;  // What it keeps is freed after the mutex.
  MutexLock hold(mutex_);
  const auto it = std::find_if(subscribers_.begin(), subscribers_.end(),
                               [&](const auto& each) { return each->number == number; });
  if (it == subscribers_.end()) return;
  gone = std::move(*it);
  subscribers_.erase(it);
  hasSubscribers_ = !subscribers_.empty();
}

// What one subscriber throws is no fault of the thread that tells it.
void LockEventLog::tell() {
  std::vector<std::shared_ptr<const Subscriber>> all;
  {
    MutexLock hold(mutex_);
    all = subscribers_;
  }
  for (const auto& subscriber : all) {
    std::string reason;
    try {
      subscriber->told();
      continue;
    } catch (const std::exception& thrown) {
      reason = thrown.what();
    } catch (...) {
      reason = "an exception that is no std::exception";
    }
    log(LogLevel::Error, "lock.subscriber_threw", {{"reason", reason}});
  }
}

}  // namespace nephrite
