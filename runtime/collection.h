#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "runtime/object.h"
#include "runtime/object_range.h"

namespace nephrite {

/// A handle to a collection: an array, a set or a dictionary, by its class.
///
/// Locks:   a read takes a Share lock on the collection for the access, kept to the end of
///          transaction, load or lock state; outside them it goes with the access, unless the
///          process held it before. A change takes the write lock, as every change does.
/// Errors:  UsageException: index out of bounds (1300), not found (1301), duplicate member (1309),
///          duplicate key (1310), an object that is no collection of that kind (64011).
/// Source:  docs/locking.md, section 5.
class Collection : public Object {
 public:
  Collection() = default;
  explicit Collection(Object object);

  std::size_t size() const;
  bool includes(const Object& member) const;

  /// Whether other processes may change the collection between two members of a loop.
  enum class Iteration {
    Locked,    ///< Share for the whole loop.
    Discrete,  ///< Share only while a batch of members is fetched.
  };
  /// Calls `visit` for each member in the collection's order; it ends when `visit` is false.
  void forEach(const std::function<bool(const Object& member)>& visit,
               Iteration iteration = Iteration::Locked) const;
  /// With the keys; null ones in arrays and sets.
  void forEachEntry(const std::function<bool(const Value& key, const Object& member)>& visit,
                    Iteration iteration = Iteration::Locked) const;

  /// The members, for a loop: `for (const Object& line : lines.members())`. Share is taken here,
  /// and kept until the loop has come to the end or the range is gone. Iteration::Discrete is for
  /// forEach() alone. The members' numbers are in memory, as they are of every collection read.
  ObjectRange members() const;

  /// All members at one moment: looping over the copy locks nothing (the way to walk
  /// system.nodes without keeping nodes from signing on).
  std::vector<Object> clone() const;

  void clear() const;  ///< Removes all members; they themselves stay.

 private:
  void forEachDiscrete(
      const std::function<bool(const Value& key, const Object& member)>& visit) const;
};

/// Members in the order of adding; the same one may be in it more than once.
class Array : public Collection {
 public:
  Array() = default;
  explicit Array(Object object);
  void add(const Object& member) const;
  Object at(std::size_t index) const;  ///< From 0.
  /// The first such member; UsageException (1301) when there is none.
  void remove(const Object& member) const;
  void removeAt(std::size_t index) const;
};

/// Each member at most once.
class Set : public Collection {
 public:
  Set() = default;
  explicit Set(Object object);
  void add(const Object& member) const;     ///< UsageException (1309) when it is in it already.
  bool tryAdd(const Object& member) const;  ///< False instead. Reads and changes under one lock.
  void remove(const Object& member) const;  ///< UsageException (1301) when it is not in it.
};

/// Members by unique key.
class Dictionary : public Collection {
 public:
  Dictionary() = default;
  explicit Dictionary(Object object);
  template <class K>
  void put(const K& key, const Object& member) const {  ///< UsageException (1310): it is taken.
    putValue(toValue(key), member);
  }
  /// Null when there is no such key.
  template <class K>
  Object getAtKey(const K& key) const {
    return getAtValue(toValue(key));
  }
  template <class K>
  bool includesKey(const K& key) const {
    return !getAtKey(key).isNull();
  }
  template <class K>
  void removeKey(const K& key) const {  ///< UsageException (1301): there is no such key.
    removeAtValue(toValue(key));
  }
  std::vector<Value> keys() const;

 private:
  Value fitKey(Value key) const;
  void putValue(Value key, const Object& member) const;
  Object getAtValue(Value key) const;
  void removeAtValue(Value key) const;
};

}  // namespace nephrite
