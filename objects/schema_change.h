#pragma once

#include <optional>

#include "objects/class_def.h"

// Private to objects: how a schema grows.

namespace nephrite {

/// Numbers below are the system's own classes; the store gives numbers from here on.
inline constexpr Oid::ClassNumber kFirstUserClass = 2048;

/// The class as it must be stored so that `schema` holds all that `wanted` asks for: names in
/// NFC, a number given, missing properties added behind those it has. Empty when `schema` holds
/// it already. Throws std::invalid_argument when `wanted` makes no sense by itself, and
/// StoreException SchemaConflict when it contradicts `schema`.
std::optional<ClassDef> growClass(const Schema& schema, const ClassDef& wanted);

}  // namespace nephrite
