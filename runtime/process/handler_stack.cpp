#include "runtime/process/handler_stack.h"

#include <algorithm>

namespace nephrite {

std::uint64_t HandlerStack::arm(ExceptionHandler handler, bool global, bool resumable) {
  std::vector<Entry>& entries = global ? global_ : local_;
  const auto here = std::count_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return global || entry.level == level_;
  });
  if (static_cast<std::size_t>(here) >= kMaxAtOneLevel) {
    throw UsageException(ErrorCode::TooManyHandlers,
                         "128 exception handlers are armed here already; disarm some, or arm "
                         "inside protect()");
  }
  entries.push_back({++lastId_, std::make_shared<const ExceptionHandler>(std::move(handler)),
                     level_, global, resumable});
  return lastId_;
}

void HandlerStack::disarm(std::uint64_t id) {
  for (std::vector<Entry>* entries : {&local_, &global_}) {
    std::erase_if(*entries, [id](const Entry& entry) { return entry.id == id; });
  }
}

std::vector<HandlerStack::Entry> HandlerStack::inOrder() const {
  std::vector<Entry> ordered(local_.rbegin(), local_.rend());
  ordered.insert(ordered.end(), global_.rbegin(), global_.rend());
  return ordered;
}

}  // namespace nephrite
