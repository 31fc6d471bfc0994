#pragma once

// Private to node.

#include <boost/unordered/unordered_flat_map.hpp>
#include <iterator>
#include <utility>
#include <variant>

#include "node/wire/messages.h"

namespace nephrite {

/// Puts lists together that come in several messages.
/// Threads: one at a time.
class AnswerParts {
 public:
  /// True when `message` is an answer, with all that came of it before. False: the rest is on its
  /// way.
  bool isWhole(wire::FromServer& message) {
    return std::visit([this](auto& part) { return add(part); }, message);
  }
  /// No request waits for the rest.
  void forget(wire::RequestId id) { begun_.erase(id); }
  void forgetAll() { begun_.clear(); }

 private:
  template <class Part>
  bool add(Part& part) {
    if constexpr (requires { part.more; }) {
      const auto begun = begun_.find(part.id);
      if (begun == begun_.end()) {
        if (!part.more) return true;
        const wire::RequestId id = part.id;
        begun_.emplace(id, std::move(part));
        return false;
      }
      auto* const list = std::get_if<Part>(&begun->second);
      if (list == nullptr) return true;  // Another kind of answer: the asker sees that.
      goOn(*list, part);
      if (part.more) return false;
      list->more = false;
      part = std::move(*list);
      begun_.erase(begun);
    }
    return true;
  }
  static void goOn(wire::LocksReply& list, wire::LocksReply& part) {
    append(list.locks, part.locks);
    append(list.people, part.people);
    append(list.names, part.names);
    list.next = part.next;
  }
  static void goOn(wire::NodesReply& list, wire::NodesReply& part) {
    append(list.nodes, part.nodes);
  }
  static void goOn(wire::ProcessesReply& list, wire::ProcessesReply& part) {
    append(list.processes, part.processes);
  }
  static void goOn(wire::DeadlocksReply& list, wire::DeadlocksReply& part) {
    append(list.records, part.records);
    append(list.people, part.people);
    append(list.names, part.names);
  }
  template <class Items>
  static void append(Items& list, Items& part) {
    list.insert(list.end(), std::make_move_iterator(part.begin()),
                std::make_move_iterator(part.end()));
  }

  boost::unordered_flat_map<wire::RequestId, wire::FromServer> begun_;
};

}  // namespace nephrite
