#include "tests/network/agenda.h"

#include <algorithm>
#include <utility>

namespace nephrite {

bool Agenda::isLater(const Event& one, const Event& other) {
  return std::pair(one.when, one.number) > std::pair(other.when, other.number);
}

void Agenda::at(Instant when, int owner, Work work) {
  events_.push_back({std::max(when, now()), ++lastNumber_, owner, std::move(work)});
  std::push_heap(events_.begin(), events_.end(), isLater);
}

void Agenda::pause(int owner, Instant until) {
  Pause& pause = pauses_[owner];
  const Instant from = std::max(pause.until, now());
  if (until <= from) return;
  pause.soFar += until - from;
  pause.until = until;
}

bool Agenda::isPaused(int owner) const {
  const auto pause = pauses_.find(owner);
  return pause != pauses_.end() && pause->second.until > now();
}

Duration Agenda::runningTime(int owner) const {
  const auto pause = pauses_.find(owner);
  const Duration all = now().sinceStart;
  return pause == pauses_.end() ? all : all - pause->second.soFar;
}

bool Agenda::runNext(Instant end) {
  while (!events_.empty() && events_.front().when <= end) {
    std::pop_heap(events_.begin(), events_.end(), isLater);
    Event event = std::move(events_.back());
    events_.pop_back();
    const auto pause = pauses_.find(event.owner);
    if (pause != pauses_.end() && pause->second.until > event.when) {
      event.when = pause->second.until;
      events_.push_back(std::move(event));
      std::push_heap(events_.begin(), events_.end(), isLater);
      continue;
    }
    clock_.moveTo(event.when);
    event.work();
    return true;
  }
  return false;
}

}  // namespace nephrite
