#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "runtime/object.h"

namespace nephrite {

/// A handle to a collection: an array, a set or a dictionary, by its class.
///
/// Locks:   a read takes a Share lock on the collection for the access, kept to the end of
///          transaction, load or lock state; outside them it goes with the access, unless the
///          process held it before. A change takes the write lock, as every change does.
/// Errors:  1300 index out of bounds, 1301 not found, 1309 duplicate member, 1310 duplicate key,
///          64011 when the object is no collection of that kind.
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

  /// All members at one moment: looping over the copy locks nothing (the way to walk
  /// system.nodes without keeping nodes from signing on).
  std::vector<Object> clone() const;

  void clear();  ///< Removes all members; they themselves stay.

 private:
  void forEachDiscrete(
      const std::function<bool(const Value& key, const Object& member)>& visit) const;
};

/// Members in the order of adding; the same one may be in it more than once.
class Array : public Collection {
 public:
  Array() = default;
  explicit Array(Object object);
  void add(const Object& member);
  Object at(std::size_t index) const;  ///< From 0.
  void remove(const Object& member);   ///< The first such member; 1301 when there is none.
  void removeAt(std::size_t index);
};

/// Each member at most once.
class Set : public Collection {
 public:
  Set() = default;
  explicit Set(Object object);
  void add(const Object& member);     ///< 1309 when it is in it already.
  bool tryAdd(const Object& member);  ///< False instead. Reads and changes under one lock.
  void remove(const Object& member);  ///< 1301 when it is not in it.
};

/// Members by unique key.
class Dictionary : public Collection {
 public:
  Dictionary() = default;
  explicit Dictionary(Object object);
  template <class K>
  void put(const K& key, const Object& member) {  ///< 1310 when the key is taken.
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
  void removeKey(const K& key) {  ///< 1301 when there is no such key.
    removeAtValue(toValue(key));
  }
  std::vector<Value> keys() const;

 private:
  Value fitKey(Value key) const;
  void putValue(Value key, const Object& member);
  Object getAtValue(Value key) const;
  void removeAtValue(Value key);
};

}  // namespace nephrite
