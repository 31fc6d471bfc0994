#include "runtime/object_range.h"

#include <utility>

namespace nephrite {

ObjectRange::ObjectRange(NextPage next) : state_(std::make_shared<Iterator::State>()) {
  state_->next = std::move(next);
}

ObjectRange::Iterator ObjectRange::begin() const {
  if (!std::exchange(state_->begun, true)) state_->page = state_->next();
  return Iterator(state_);
}

ObjectRange::Iterator& ObjectRange::Iterator::operator++() {
  if (++state_->at < state_->page.size()) return *this;
  state_->at = 0;
  state_->page = state_->next();
  return *this;
}

}  // namespace nephrite
