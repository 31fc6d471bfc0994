#include "objects/change_check.h"

#include <stdexcept>
#include <string>
#include <unordered_set>

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
    // The message is made only when there is one: this runs for each value of each commit.
    if (typeOf(record.values[i]) == property.type && faultOf(record.values[i]).empty()) continue;
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
    if (typeOf(members[i].key) != definition.keyType || !faultOf(members[i].key).empty()) {
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

}  // namespace

void checkChanges(const Schema& schema, Lifetime lifetime, const ChangeSet& changes) {
  std::unordered_set<Oid> seen;
  for (const ObjectChange& change : changes.changes) {
    const ObjectRecord& record = change.record;
    checkIdentity(schema, lifetime, record.oid);
    if (!seen.insert(record.oid).second) {
      throw std::invalid_argument(schema.show(record.oid) + " is changed twice in one change set");
    }
    if (change.kind == ChangeKind::Delete) continue;
    const auto definition = schema.find(record.oid.classNumber());
    if (!definition) {
      throw StoreException(Reason::SchemaConflict, schema.show(record.oid) +
                                                       " cannot be stored: the schema has no "
                                                       "class of that number; define it first");
    }
    checkValues(schema, *definition, record);
    checkMembers(schema, *definition, record);
  }
}

RecordPtr nextEdition(const Schema& schema, const ObjectChange& change, const RecordPtr& current) {
  const Oid oid = change.record.oid;
  if (change.kind == ChangeKind::Create) {
    if (current) {
      throw StoreException(Reason::StaleEdition, schema.show(oid) +
                                                     " cannot be created: it exists, in edition " +
                                                     std::to_string(current->edition));
    }
    auto created = std::make_shared<ObjectRecord>(change.record);
    created->edition = 1;
    return created;
  }

  const std::string verb = change.kind == ChangeKind::Delete ? "deleted" : "updated";
  if (!current) {
    throw StoreException(Reason::NoSuchObject,
                         schema.show(oid) + " cannot be " + verb + ": there is no such object");
  }
  if (current->edition != change.record.edition) {
    throw StoreException(Reason::StaleEdition,
                         schema.show(oid) + " cannot be " + verb + ": the change is based on " +
                             "edition " + std::to_string(change.record.edition) +
                             ", the latest is " + std::to_string(current->edition) +
                             "; read it again");
  }
  if (change.kind == ChangeKind::Delete) return nullptr;
  if (current->edition == UINT32_MAX) {
    throw std::overflow_error(schema.show(oid) + " cannot be updated: its edition is the highest " +
                              "there is; replace it by a new object");
  }
  auto updated = std::make_shared<ObjectRecord>(change.record);
  updated->edition = current->edition + 1;
  return updated;
}

}  // namespace nephrite
