#include "locking/lock_answers.h"

#include <exception>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "locking/domain/lock_domain.h"

namespace nephrite {

LockAnswers::LockAnswers(LockAnswers&& other) noexcept
    : first_(std::move(other.first_)),
      rest_(std::move(other.rest_)),
      news_(std::exchange(other.news_, nullptr)),
      then_(std::move(other.then_)),
      waitsUntil_(other.waitsUntil_) {
  other.first_.reset();
  other.rest_.clear();
  other.then_ = nullptr;
}

LockAnswers::~LockAnswers() { NEPHRITE_CHECK(empty() && "answers were decided, not delivered"); }

void LockAnswers::add(LockDone&& done, LockAnswer&& answer) {
  if (!first_) {
    first_.emplace(std::move(done), std::move(answer));
  } else {
    rest_.emplace_back(std::move(done), std::move(answer));
  }
}

void LockAnswers::addFirst(LockDone&& done, LockAnswer&& answer) {
  if (first_) rest_.insert(rest_.begin(), std::move(*first_));
  first_.emplace(std::move(done), std::move(answer));
}

namespace {

void logThrown(const LockAnswer& answer, const std::string& why) {
  log(LogLevel::Error, "lock.receiver_threw",
      {{"locker", std::to_string(answer.request.locker.value)},
       {"target", std::to_string(answer.request.target.value)},
       {"outcome", std::string(nameOf(answer.outcome))},
       {"reason", why}});
}

}  // namespace

// What one receiver throws is neither the fault of the other receivers nor of the thread that
// delivers, which may be in the middle of a commit: it is told to the log.
void LockAnswers::tell(const Delivery& delivery) noexcept {
  if (!delivery.done) return;
  try {
    delivery.done(delivery.answer);
  } catch (const std::exception& thrown) {
    logThrown(delivery.answer, thrown.what());
  } catch (...) {
    logThrown(delivery.answer, "an exception that is no std::exception");
  }
}

void LockAnswers::deliver() {
  if (first_) {
    tell(*first_);
    for (const Delivery& delivery : rest_) tell(delivery);
    first_.reset();
    rest_.clear();
  }
  if (LockDomain* const news = std::exchange(news_, nullptr)) news->tellNews();
  if (then_) std::exchange(then_, nullptr)().deliver();
}

}  // namespace nephrite
