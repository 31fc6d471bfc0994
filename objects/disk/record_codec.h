#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "objects/change_set.h"
#include "objects/class_def.h"

// What an object, a class and an Oid look like as bytes, in the store and on the wire
// (docs/store.md). Objects and classes begin with the version of their format.
//
// Errors:  whatever the bytes, decoding ends in a value or in DecodeError. It reads nothing beyond
//          them and takes memory in proportion to them, whatever they claim. Each value is in the
//          range of its type; whether values suit their class, members are in order and names are
//          identifiers is asked where they come to be stored.
// Threads: any.

namespace nephrite {

std::string encodeRecord(const ObjectRecord& record);
/// The same as edition `edition`, in the place of what stands in `bytes`, whose memory it uses.
void encodeRecord(const ObjectRecord& record, std::uint32_t edition, std::string& bytes);
std::shared_ptr<ObjectRecord> decodeRecord(Oid oid, std::string_view bytes);

std::string encodeClass(const ClassDef& definition);
ClassDef decodeClass(std::string_view bytes);

/// Eight bytes, big-endian, so that keys are ordered as Oids are.
std::string encodeOid(Oid oid);
Oid decodeOid(std::string_view bytes);

}  // namespace nephrite
