#include "objects/class_def.h"

#include <algorithm>

#include "base/check.h"
#include "objects/text.h"

namespace nephrite {
namespace {

constexpr std::size_t kSmallBlock = 32;  ///< Classes that are as well copied as looked for apart.

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

Schema::Block::Block(std::vector<ClassPtr> members) : classes(std::move(members)) {
  byName.reserve(classes.size());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    NEPHRITE_CHECK(i == 0 || classes[i - 1]->number < classes[i]->number);
    NEPHRITE_CHECK(byName.emplace(classes[i]->name, classes[i]).second);
  }
}

Schema::Schema(std::vector<ClassPtr> classes) : size_(classes.size()) {
  if (classes.empty()) return;
  std::sort(classes.begin(), classes.end(),
            [](const auto& a, const auto& b) { return a->number < b->number; });
  highestNumber_ = classes.back()->number;
  blocks_.push_back(std::make_shared<const Block>(std::move(classes)));
}

Schema::~Schema() = default;

// As a log-structured merge tree does it: a block that is not much larger than what comes after it
// is merged with it. So a class is copied each time its block doubles, and there are few blocks.
std::shared_ptr<const Schema> Schema::with(ClassPtr definition) const {
  const ClassPtr sameName = find(definition->name);
  NEPHRITE_CHECK(sameName == nullptr || sameName->number == definition->number);
  const std::shared_ptr<Schema> made(new Schema());
  made->size_ = size_ + (find(definition->number) == nullptr ? 1 : 0);
  made->highestNumber_ = std::max(highestNumber_, definition->number);
  made->blocks_ = blocks_;
  std::vector<ClassPtr> latest{std::move(definition)};
  while (!made->blocks_.empty()) {
    const std::vector<ClassPtr>& before = made->blocks_.back()->classes;
    if (before.size() > std::max(kSmallBlock, 2 * latest.size())) break;
    latest = merged(before, latest);
    made->blocks_.pop_back();
  }
  made->blocks_.push_back(std::make_shared<const Block>(std::move(latest)));
  return made;
}

std::vector<Schema::ClassPtr> Schema::merged(const std::vector<ClassPtr>& earlier,
                                             const std::vector<ClassPtr>& later) {
  std::vector<ClassPtr> both;
  both.reserve(earlier.size() + later.size());
  auto at = later.begin();
  for (const ClassPtr& known : earlier) {
    while (at != later.end() && (*at)->number < known->number) both.push_back(*at++);
    if (at == later.end() || (*at)->number != known->number) both.push_back(known);
  }
  both.insert(both.end(), at, later.end());
  return both;
}

Schema::ClassPtr Schema::findAsIs(std::string_view name) const {
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    const auto found = (*block)->byName.find(name);
    if (found != (*block)->byName.end()) return found->second;
  }
  return nullptr;
}

Schema::ClassPtr Schema::find(std::string_view name) const {
  ClassPtr found = findAsIs(name);
  if (found == nullptr && mayNeedNormalizing(name) && !findInvalidUtf8(name)) {
    found = findAsIs(normalizeText(name));
  }
  return found;
}

Schema::ClassPtr Schema::find(Oid::ClassNumber number) const {
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    const auto& classes = (*block)->classes;
    const auto found =
        std::lower_bound(classes.begin(), classes.end(), number,
                         [](const auto& known, auto wanted) { return known->number < wanted; });
    if (found != classes.end() && (*found)->number == number) return *found;
  }
  return nullptr;
}

std::vector<Schema::ClassPtr> Schema::classes() const {
  std::vector<ClassPtr> all;
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    all = merged((*block)->classes, all);
  }
  return all;
}

std::string Schema::show(Oid oid) const {
  if (oid.isNull()) return "null";
  const auto known = find(oid.classNumber());
  return (known ? known->name : "?") + "/" + oid.toString();
}

}  // namespace nephrite
