#include "runtime/errors/request_failure.h"

#include "runtime/errors/exceptions.h"

namespace nephrite {

using Reason = StoreException::Reason;

ErrorCode codeOf(Reason reason) {
  switch (reason) {
    case Reason::SchemaConflict: return ErrorCode::SchemaConflict;
    case Reason::StaleEdition:
    case Reason::NoSuchObject: return ErrorCode::StaleObject;
    case Reason::Io:
    case Reason::NotUsable:
    case Reason::Damaged:
    case Reason::InUse:
    case Reason::WrongFormat:
    case Reason::NotWritable:
    case Reason::LockGone: break;
  }
  return ErrorCode::StoreFailed;
}

RequestFailure failureOf(const StoreException& refused) {
  return {codeOf(refused.reason()), refused.what(), refused.object()};
}

RequestFailure failureOf(const std::exception& refused) {
  if (const auto* const store = dynamic_cast<const StoreException*>(&refused)) {
    return failureOf(*store);
  }
  if (const auto* const known = dynamic_cast<const SystemException*>(&refused)) {
    return {known->code(), known->what(), Oid()};
  }
  const bool misuse = dynamic_cast<const std::invalid_argument*>(&refused) != nullptr;
  return {misuse ? ErrorCode::WrongValueType : ErrorCode::StoreFailed, refused.what(), Oid()};
}

std::unique_ptr<StoreException> storeExceptionOf(const RequestFailure& failure) {
  const auto of = [&](Reason reason) {
    return std::make_unique<StoreException>(reason, failure.what, failure.object);
  };
  switch (failure.code) {
    case ErrorCode::StoreFailed: return of(Reason::Io);
    case ErrorCode::SchemaConflict: return of(Reason::SchemaConflict);
    case ErrorCode::StaleObject: return of(Reason::StaleEdition);
    default: return nullptr;
  }
}

}  // namespace nephrite
