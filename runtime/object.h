#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "locking/lock_request.h"
#include "objects/oid.h"
#include "objects/value.h"
#include "runtime/lockable.h"
#include "runtime/value_cast.h"

namespace nephrite {

/// A handle to one object, in the hands of one process: cheap to copy, owns nothing of the
/// object, holds no lock by itself. A handle to a collection is a Collection too.
///
/// Const:   is about the handle, as of a pointer: a const Object is always the same object, which
///          it can lock and change.
/// Reads:   the latest committed edition, or this transaction's own changes. In lock state a
///          read takes a Share lock first.
/// Writes:  in transaction state only, else UsageException (1026). The first change takes an
///          Exclusive lock, or an Update lock after Process::useUpdateLocks(true). Others see it
///          after commit.
/// Locks:   Lockable's. Non-shared transients are never locked: asking is granted and leaves no
///          trace.
/// Lasts:   a handle keeps its process, node and database alive, as a std::shared_ptr does. After
///          the process has signed off every call throws UsageException (64006).
/// Errors:  SystemException and its children (runtime/errors/exceptions.h), after the armed
/// handlers;
///          UsageException (1090) from the null reference.
/// Threads: those of its Process: one at a time.
/// Source:  docs/locking.md; JADE manual, "Object class".
class Object : public Lockable {
 public:
  Object() = default;  ///< The null reference.
  Object(std::shared_ptr<ProcessCore> process, Oid oid);

  std::string className() const;
  bool exists() const;  ///< Also false when this transaction has deleted it.

  // --- Properties ------------------------------------------------------------------------------

  /// The property's value; T() when it is null. runtime/value_cast.h says what T may be;
  /// UsageException (64010) when the value does not fit it.
  template <class T>
  T get(std::string_view property) const;
  Value value(std::string_view property) const;
  /// The object that a Reference property points to; null when it is null.
  Object reference(std::string_view property) const;

  template <class T>
  requires(!std::derived_from<T, Object>) void set(std::string_view property, const T& to) const {
    setValue(property, toValue(to));
  }
  void set(std::string_view property, const Object& to) const {
    setValue(property, Value(to.oid()));
  }
  void setValue(std::string_view property, Value to) const;

  /// Deletes the object when the transaction commits. What it refers to, or has as members, stays.
  void deleteObject() const;

  // --- Editions --------------------------------------------------------------------------------

  /// Edition of the copy that this process reads: 1 when created, one more for each commit that
  /// changed it.
  std::uint32_t edition() const;
  /// The latest committed edition.
  std::uint32_t latestEdition() const;
  /// Has no effect, and is here for programs that come from JADE, where it marks the process's copy
  /// as out of date. Here no process keeps a copy: every read asks the database.
  void resynch() const;

  friend bool operator==(const Object& a, const Object& b) { return a.oid() == b.oid(); }

 private:
  [[noreturn]] void refuseType(std::string_view property, const Value& holds) const;
};

template <class T>
T Object::get(std::string_view property) const {
  if constexpr (std::is_same_v<T, Object>) {
    return reference(property);
  } else {
    const Value held = value(property);
    std::optional<T> cast = valueAs<T>(held);
    if (!cast) refuseType(property, held);
    return std::move(*cast);
  }
}

}  // namespace nephrite
