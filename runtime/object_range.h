#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <vector>

#include "runtime/object.h"

namespace nephrite {

/// Objects to loop over, fetched a page at a time as the loop comes to them:
///
///     for (const Object& order : process.eachInstance("Order")) ...
///
/// Shape:   an input range, to be walked once; copies share where they are. Memory for one page.
/// Errors:  of a page, from begin() and ++: what Process::instances() throws.
/// Threads: those of its process.
class ObjectRange {
 public:
  /// The objects that come next; none at the end. Called until then.
  using NextPage = std::function<std::vector<Object>()>;

  class Iterator {
   public:
    using value_type = Object;
    using difference_type = std::ptrdiff_t;
    using reference = const Object&;
    using pointer = const Object*;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    const Object& operator*() const { return state_->page[state_->at]; }
    const Object* operator->() const { return &**this; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) {
      return it.state_ == nullptr || it.state_->page.empty();
    }

   private:
    friend class ObjectRange;
    struct State {
      NextPage next;
      std::vector<Object> page;
      std::size_t at = 0;
      bool begun = false;
    };
    explicit Iterator(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  explicit ObjectRange(NextPage next);
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<Iterator::State> state_;
};

}  // namespace nephrite
