#pragma once

#include <exception>
#include <memory>
#include <string>

#include "objects/object_store.h"
#include "objects/oid.h"
#include "runtime/errors/error_code.h"

namespace nephrite {

/// Why a request could not be carried out at all: the store failed (64007) or refused (64024 to
/// 64026), or the database is at the other end of a wire and did not answer (64014 to 64017).
struct RequestFailure {
  ErrorCode code = ErrorCode::StoreFailed;
  std::string what;  ///< What was tried on what, and what to do.
  Oid object = {};   ///< Of StaleObject and LockLost.
};

/// What a store's refusal means to an application: one code for each way of reacting.
ErrorCode codeOf(StoreException::Reason reason);
RequestFailure failureOf(const StoreException& refused);
/// The same of whatever else a database throws.
RequestFailure failureOf(const std::exception& refused);

/// The same backwards, for a Database whose store is elsewhere. Null when `failure` is not of a
/// store.
std::unique_ptr<StoreException> storeExceptionOf(const RequestFailure& failure);

}  // namespace nephrite
