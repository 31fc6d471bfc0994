#include "objects/class_def.h"

#include <algorithm>

#include "base/check.h"
#include "objects/text.h"

namespace nephrite {
namespace {

/// Only text beyond ASCII has another normal form than itself.
bool mayNeedNormalizing(std::string_view name) {
  return std::any_of(name.begin(), name.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::optional<std::size_t> findProperty(const std::vector<PropertyDef>& properties,
                                        std::string_view name) {
  const auto found = std::find_if(properties.begin(), properties.end(),
                                  [name](const PropertyDef& p) { return p.name == name; });
  if (found == properties.end()) return std::nullopt;
  return static_cast<std::size_t>(found - properties.begin());
}

}  // namespace

std::optional<std::size_t> ClassDef::indexOf(std::string_view property) const {
  if (const auto index = findProperty(properties, property)) return index;
  if (!mayNeedNormalizing(property) || findInvalidUtf8(property)) return std::nullopt;
  return findProperty(properties, normalizeText(property));
}

std::string_view nameOf(ClassKind kind) {
  switch (kind) {
    case ClassKind::Object: return "Object";
    case ClassKind::Array: return "Array";
    case ClassKind::Set: return "Set";
    case ClassKind::Dictionary: return "Dictionary";
  }
  return "?";
}

Schema::Schema(std::vector<std::shared_ptr<const ClassDef>> classes)
    : classes_(std::move(classes)) {
  std::sort(classes_.begin(), classes_.end(),
            [](const auto& a, const auto& b) { return a->number < b->number; });
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    NEPHRITE_CHECK(i == 0 || classes_[i - 1]->number < classes_[i]->number);
    NEPHRITE_CHECK(byName_.emplace(classes_[i]->name, classes_[i]).second);
  }
}

Schema::~Schema() = default;

std::shared_ptr<const ClassDef> Schema::find(std::string_view name) const {
  auto found = byName_.find(name);
  if (found == byName_.end() && mayNeedNormalizing(name) && !findInvalidUtf8(name)) {
    found = byName_.find(normalizeText(name));
  }
  return found == byName_.end() ? nullptr : found->second;
}

std::shared_ptr<const ClassDef> Schema::find(Oid::ClassNumber number) const {
  const auto found =
      std::lower_bound(classes_.begin(), classes_.end(), number,
                       [](const auto& known, auto wanted) { return known->number < wanted; });
  return found == classes_.end() || (*found)->number != number ? nullptr : *found;
}

std::string Schema::show(Oid oid) const {
  if (oid.isNull()) return "null";
  const auto known = find(oid.classNumber());
  return (known ? known->name : "?") + "/" + oid.toString();
}

}  // namespace nephrite
