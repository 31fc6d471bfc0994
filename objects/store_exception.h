#pragma once

#include <stdexcept>
#include <string>

#include "objects/oid.h"

namespace nephrite {

/// The store could not do what was asked: what() says what was tried, on which path, why, and
/// what to do about it.
class StoreException : public std::runtime_error {
 public:
  enum class Reason {
    Io,              ///< Disk full, device error.
    NotUsable,       ///< The directory cannot be made or used: its path, or its permissions.
    Damaged,         ///< The integrity check failed; nothing was opened or changed.
    InUse,           ///< The store is open already, in this program or another: what() says which.
    WrongFormat,     ///< Written by a newer or foreign program.
    NotWritable,     ///< An earlier write failed; reads go on, commits are refused until reopened.
    LockGone,        ///< The directory or its lock was moved, removed or replaced: as NotWritable.
    SchemaConflict,  ///< A class or property exists with another type.
    StaleEdition,    ///< A change is based on an edition that is no longer the latest.
    NoSuchObject,    ///< Update or Delete of an object that does not exist.
  };
  StoreException(Reason reason, const std::string& message, Oid object = Oid())
      : std::runtime_error(message), reason_(reason), object_(object) {}
  Reason reason() const noexcept { return reason_; }
  /// Of StaleEdition and NoSuchObject: which object. Else null.
  Oid object() const noexcept { return object_; }

 private:
  Reason reason_;
  Oid object_;
};

}  // namespace nephrite
