#include "objects/change_check.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "objects/object_store.h"
#include "objects/text.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;

/// Why the store cannot hold `value`, whatever property it is of; empty when it can.
std::string faultOf(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (const auto bad = findInvalidUtf8(*text)) {
      return "is not valid UTF-8 at byte offset " + std::to_string(*bad);
    }
  } else if (const auto* date = std::get_if<Date>(&value)) {
    if (!date->ok()) return "is not in the calendar";
  } else if (const auto* time = std::get_if<TimeOfDay>(&value)) {
    const auto sinceMidnight = time->sinceMidnight;
    if (sinceMidnight.count() < 0 || sinceMidnight >= std::chrono::days(1)) {
      return "is not from 0 to 86399999 ms since midnight";
    }
  }
  return "";
}

/// The same without saying why: it runs for each value of each commit.
bool isSound(const Value& value) {
  switch (typeOf(value)) {
    case ValueType::String: return !findInvalidUtf8(std::get<std::string>(value));
    case ValueType::Date:
    case ValueType::Time: return faultOf(value).empty();
    default: return true;
  }
}

void checkValue(const std::string& subject, ValueType expected, const Value& value) {
  if (typeOf(value) != expected && typeOf(value) != ValueType::Null) {
    throw StoreException(Reason::SchemaConflict, subject + " has type " +
                                                     std::string(nameOf(expected)) +
                                                     " and cannot hold a value of type " +
                                                     std::string(nameOf(typeOf(value))));
  }
  if (const std::string fault = faultOf(value); !fault.empty()) {
    throw std::invalid_argument(subject + " cannot hold " + toString(value) + ": it " + fault);
  }
}

void checkValues(const Schema& schema, const ClassDef& definition, const ObjectRecord& record) {
  if (record.values.size() > definition.properties.size()) {
    throw StoreException(Reason::SchemaConflict,
                         schema.show(record.oid) + " has " + std::to_string(record.values.size()) +
                             " values, but its class has " +
                             std::to_string(definition.properties.size()) + " properties");
  }
  for (std::size_t i = 0; i < record.values.size(); ++i) {
    const PropertyDef& property = definition.properties[i];
    // The message is made only when there is one.
    if (typeOf(record.values[i]) == property.type && isSound(record.values[i])) continue;
    checkValue("property \"" + property.name + "\" of " + schema.show(record.oid), property.type,
               record.values[i]);
  }
}

/// May `after` stand directly behind `before`?
bool inOrder(ClassKind kind, const CollectionMember& before, const CollectionMember& after) {
  switch (kind) {
    case ClassKind::Set: return before.member < after.member;
    case ClassKind::Dictionary: return compareKeys(before.key, after.key) < 0;
    case ClassKind::Object:
    case ClassKind::Array: return true;
  }
  return true;
}

void checkMembers(const Schema& schema, const ClassDef& definition, const ObjectRecord& record) {
  const auto& members = record.members;
  if (members.empty()) return;
  const std::string subject = schema.show(record.oid);
  if (definition.kind == ClassKind::Object) {
    throw std::invalid_argument(subject + " has members, but its class is no collection");
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (typeOf(members[i].key) != definition.keyType || !isSound(members[i].key)) {
      throw std::invalid_argument("key " + toString(members[i].key) + " of " + subject +
                                  " is not of type " + std::string(nameOf(definition.keyType)));
    }
    if (i > 0 && !inOrder(definition.kind, members[i - 1], members[i])) {
      throw std::invalid_argument("member " + std::to_string(i) + " of " + subject +
                                  " is out of order or there twice");
    }
  }
}

void checkIdentity(const Schema& schema, Lifetime lifetime, Oid oid) {
  if (oid.lifetime() != lifetime || oid.instance() == 0) {
    throw std::invalid_argument(
        schema.show(oid) + " cannot be kept in this store: " +
        (oid.instance() == 0 ? "it is no object's Oid" : "its lifetime is another"));
  }
}

/// The first Oid that stands there twice; null when none does.
Oid changedTwice(const std::vector<ObjectChange>& changes) {
  constexpr std::size_t kFew = 16;
  if (changes.size() <= kFew) {
    for (std::size_t i = 0; i < changes.size(); ++i)
      for (std::size_t before = 0; before < i; ++before)
        if (changes[before].record->oid == changes[i].record->oid) return changes[i].record->oid;
    return Oid();
  }
  std::vector<Oid> oids;
  oids.reserve(changes.size());
  for (const ObjectChange& change : changes) oids.push_back(change.record->oid);
  std::sort(oids.begin(), oids.end());
  const auto twice = std::adjacent_find(oids.begin(), oids.end());
  return twice == oids.end() ? Oid() : *twice;
}

}  // namespace

void checkChanges(const Schema& schema, Lifetime lifetime, const ChangeSet& changes) {
  std::shared_ptr<const ClassDef> definition;  // Of the change before: mostly of the next one too.
  for (const ObjectChange& change : changes.changes) {
    const ObjectRecord& record = *change.record;
    checkIdentity(schema, lifetime, record.oid);
    if (change.kind == ChangeKind::Delete) continue;
    if (!definition || definition->number != record.oid.classNumber()) {
      definition = schema.find(record.oid.classNumber());
    }
    if (!definition) {
      throw StoreException(Reason::SchemaConflict, schema.show(record.oid) +
                                                       " cannot be stored: the schema has no "
                                                       "class of that number; define it first");
    }
    checkValues(schema, *definition, record);
    checkMembers(schema, *definition, record);
  }
  if (const Oid twice = changedTwice(changes.changes); !twice.isNull()) {
    throw std::invalid_argument(schema.show(twice) + " is changed twice in one change set");
  }
}

namespace {

/// The edition that `change` makes of `current`; 0 when it deletes the object.
std::uint32_t editionAfter(const Schema& schema, const ObjectChange& change,
                           const ObjectRecord* current) {
  const Oid oid = change.record->oid;
  if (change.kind == ChangeKind::Create) {
    if (current == nullptr) return 1;
    throw StoreException(Reason::StaleEdition,
                         schema.show(oid) + " cannot be created: it exists, in edition " +
                             std::to_string(current->edition),
                         oid);
  }

  const bool deletes = change.kind == ChangeKind::Delete;
  const char* const verb = deletes ? "deleted" : "updated";
  if (current == nullptr) {
    throw StoreException(Reason::NoSuchObject,
                         schema.show(oid) + " cannot be " + verb + ": there is no such object",
                         oid);
  }
  if (current->edition != change.record->edition) {
    throw StoreException(Reason::StaleEdition,
                         schema.show(oid) + " cannot be " + verb + ": the change is based on " +
                             "edition " + std::to_string(change.record->edition) +
                             ", the latest is " + std::to_string(current->edition) +
                             "; read it again",
                         oid);
  }
  if (deletes) return 0;
  if (current->edition == UINT32_MAX) {
    throw std::overflow_error(schema.show(oid) + " cannot be updated: its edition is the highest " +
                              "there is; replace it by a new object");
  }
  return current->edition + 1;
}

}  // namespace

NextEdition nextEdition(const Schema& schema, const ObjectChange& change,
                        const ObjectRecord* current, bool handedOver) {
  NextEdition next;
  next.edition = editionAfter(schema, change, current);
  if (next.edition == 0) return next;
  next.record = handedOver ? change.record : copyOf(*change.record);
  return next;
}

}  // namespace nephrite
