#pragma once

#include <string>
#include <string_view>

#include "objects/change_set.h"
#include "objects/class_def.h"

// Private to objects: what a stored object, class and Oid look like as bytes (docs/store.md).
// Each record begins with the version of its format. Whatever the bytes, decoding ends in a
// valid value or in DecodeError (objects/byte_stream.h).

namespace nephrite {

std::string encodeRecord(const ObjectRecord& record);
ObjectRecord decodeRecord(Oid oid, std::string_view bytes);

std::string encodeClass(const ClassDef& definition);
ClassDef decodeClass(std::string_view bytes);

/// Eight bytes, big-endian, so that keys are ordered as Oids are.
std::string encodeOid(Oid oid);
Oid decodeOid(std::string_view bytes);

}  // namespace nephrite
