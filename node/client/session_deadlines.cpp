// The part of ClientSession that knows when it has to be woken.

#include <algorithm>
#include <functional>

#include "node/client/client_session.h"

namespace nephrite {

void ClientSession::addDeadline(Instant deadline, wire::RequestId id) {
  if (deadlines_.size() > 2 * pending_.size() + 64) {
    deadlines_.clear();
    for (const auto& [one, pending] : pending_) deadlines_.emplace_back(pending.deadline, one);
    std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    return;  // This one is among them.
  }
  deadlines_.emplace_back(deadline, id);
  std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

std::optional<Instant> ClientSession::nextDeadline() {
  while (!deadlines_.empty()) {
    const auto& [deadline, id] = deadlines_.front();
    const auto at = pending_.find(id);
    if (at != pending_.end() && at->second.deadline == deadline) return deadline;
    std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    deadlines_.pop_back();
  }
  return std::nullopt;
}

// When nothing has proven for a while that the server hears us.
Instant ClientSession::nextPing() const {
  const Duration third = keepAlive() / 3;
  return std::max(provenAt_, lastPing_) + third;
}

void ClientSession::setTimer() {
  if (state_ == State::Closed) return;
  std::optional<Instant> next;
  const auto consider = [&](Instant at) { next = next ? std::min(*next, at) : at; };
  if (const auto deadline = nextDeadline()) consider(*deadline);
  for (const Waiting& wish : waiting_) consider(wish.until);
  if (state_ == State::Pausing) consider(pauseUntil_);
  if (state_ == State::Up) consider(nextPing());
  if (state_ == State::Up || state_ == State::Greeting) consider(provenAt_ + keepAlive());
  if (welcome_ && state_ != State::Up) consider(resumeUntil_);
  if (next) wakeAt(*next);
}

void ClientSession::wakeAt(Instant at) {
  if (wakeAt_ && *wakeAt_ <= at) return;
  wakeAt_ = at;
  carrier_.wakeAt(at);
}

}  // namespace nephrite
