#include "objects/schema_change.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "objects/object_store.h"
#include "objects/text.h"

namespace nephrite {
namespace {

[[noreturn]] void throwConflict(const std::string& message) {
  throw StoreException(StoreException::Reason::SchemaConflict, message);
}

std::string inQuotes(std::string_view name) { return "\"" + std::string(name) + "\""; }

bool mayBeKey(ValueType type) {
  return type == ValueType::Integer || type == ValueType::Integer64 || type == ValueType::String;
}

void checkKeyType(const ClassDef& wanted) {
  const bool isDictionary = wanted.kind == ClassKind::Dictionary;
  if (isDictionary && !mayBeKey(wanted.keyType)) {
    throw std::invalid_argument("dictionary class " + inQuotes(wanted.name) + " has keys of type " +
                                std::string(nameOf(wanted.keyType)) +
                                "; use Integer, Integer64 or String");
  }
  if (!isDictionary && wanted.keyType != ValueType::Null) {
    throw std::invalid_argument("class " + inQuotes(wanted.name) + " of kind " +
                                std::string(nameOf(wanted.kind)) +
                                " has a key type; only dictionaries have keys");
  }
}

/// `wanted` with its names in NFC, when it makes sense by itself.
ClassDef normalized(const ClassDef& wanted) {
  ClassDef result = wanted;
  result.name = normalizeName(wanted.name, "class name");
  checkKeyType(result);
  for (std::size_t i = 0; i < result.properties.size(); ++i) {
    PropertyDef& property = result.properties[i];
    property.name = normalizeName(property.name, "property name of class " + inQuotes(result.name));
    if (property.type == ValueType::Null) {
      throw std::invalid_argument("property " + inQuotes(property.name) + " of class " +
                                  inQuotes(result.name) + " has no type; give it one");
    }
    const auto end = result.properties.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(result.properties.begin(), end,
                    [&property](const PropertyDef& p) { return p.name == property.name; })) {
      throw std::invalid_argument("property " + inQuotes(property.name) + " of class " +
                                  inQuotes(result.name) + " is given twice; name each once");
    }
  }
  return result;
}

Oid::ClassNumber nextNumber(const Schema& schema, const std::string& name) {
  const unsigned next = std::max<unsigned>(schema.highestNumber() + 1u, kFirstUserClass);
  if (next > UINT16_MAX) {
    throwConflict("class " + inQuotes(name) +
                  " cannot be added: all 65535 class numbers are taken");
  }
  return static_cast<Oid::ClassNumber>(next);
}

ClassDef newClass(const Schema& schema, ClassDef wanted) {
  if (wanted.number == 0) {
    wanted.number = nextNumber(schema, wanted.name);
  } else if (const auto other = schema.find(wanted.number)) {
    throwConflict("class " + inQuotes(wanted.name) + " wants number " +
                  std::to_string(wanted.number) + ", which is the number of class " +
                  inQuotes(other->name));
  }
  return wanted;
}

void checkSameClass(const ClassDef& stored, const ClassDef& wanted) {
  const std::string subject = "class " + inQuotes(stored.name);
  if (wanted.number != 0 && wanted.number != stored.number) {
    throwConflict(subject + " has number " + std::to_string(stored.number) + ", not " +
                  std::to_string(wanted.number));
  }
  if (wanted.kind != stored.kind) {
    throwConflict(subject + " is stored as " + std::string(nameOf(stored.kind)) +
                  " and cannot become " + std::string(nameOf(wanted.kind)) +
                  "; use another class name");
  }
  if (wanted.keyType != stored.keyType) {
    throwConflict(subject + " is stored with keys of type " + std::string(nameOf(stored.keyType)) +
                  " and cannot become " + std::string(nameOf(wanted.keyType)) +
                  "; use another class name");
  }
}

}  // namespace

std::optional<ClassDef> growClass(const Schema& schema, const ClassDef& asked) {
  ClassDef wanted = normalized(asked);
  const auto stored = schema.find(wanted.name);
  if (!stored) return newClass(schema, std::move(wanted));

  checkSameClass(*stored, wanted);
  ClassDef grown = *stored;
  for (PropertyDef& property : wanted.properties) {
    const auto index = stored->indexOf(property.name);
    if (!index) {
      grown.properties.push_back(std::move(property));
    } else if (stored->properties[*index].type != property.type) {
      throwConflict("property " + inQuotes(property.name) + " of class " + inQuotes(stored->name) +
                    " is stored as " + std::string(nameOf(stored->properties[*index].type)) +
                    " and cannot become " + std::string(nameOf(property.type)) +
                    "; use another property name");
    }
  }
  if (grown.properties.size() == stored->properties.size()) return std::nullopt;
  return grown;
}

}  // namespace nephrite
