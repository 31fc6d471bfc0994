#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace nephrite {

template <class Signature>
class FunctionRef;

/// A callable that the caller owns, for the length of a call: what a parameter that is only called,
/// and never kept, should be. Unlike std::function it copies nothing and takes no memory.
template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <class Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
           std::is_object_v<std::remove_reference_t<Callable>>)
      FunctionRef(Callable&& callable)  // NOLINT: stands for its argument, so it converts.
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* callee, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<Callable>*>(callee))(
              std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const {
    return call_(callable_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* callable_;
  Result (*call_)(void*, Arguments...);
};

}  // namespace nephrite
