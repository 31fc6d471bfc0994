#pragma once

// Private to runtime.

#include <string>

#include "base/function_ref.h"
#include "objects/value.h"

namespace nephrite {

/// What is written to, for messages: "Order/2048.7.total". Asked only when there is one.
using Subject = FunctionRef<std::string()>;

/// Makes of `value` one of type `wanted`: integers widen to Integer64, Real and Decimal, text is
/// put in Unicode normalisation form C, null fits everywhere. UsageException 64010 names `subject`
/// when it does not fit (wrong type, invalid UTF-8, no date) and leaves it as it was.
void fit(Value& value, ValueType wanted, const Subject& subject);

/// UsageException 64010 when `holder` would outlive what it refers to: a persistent object refers
/// to no transient, a shared transient to no transient of one process.
void checkOutlives(Oid holder, Oid member, const Subject& subject);

}  // namespace nephrite
