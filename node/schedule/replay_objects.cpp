#include "node/schedule/replay_objects.h"

#include "base/check.h"
#include "objects/object_store.h"

namespace nephrite {

ReplayObjects::ReplayObjects(LocalDatabase& local) : local_(local) {
  ClassDef wanted;
  wanted.name = "ScheduleObject";
  wanted.properties = {{"line", ValueType::Integer64}};
  class_ = local_.defineClass(wanted)->number;
}

void ReplayObjects::expectNew(int line, const std::string& name) const {
  if (!oids_.contains(name) && !paths_.contains(name)) return;
  throw ScheduleError(line, "object or resource '" + name + "' exists already");
}

void ReplayObjects::add(int line, const ObjectLine& wanted) {
  expectNew(line, wanted.name);
  if (wanted.path.empty()) {
    create(wanted.name);
    return;
  }
  if (oids_.contains(wanted.path) || paths_.contains(wanted.path)) {
    throw ScheduleError(line,
                        "there is something at '" + wanted.path + "' already; choose another path");
  }
  const std::string above = wanted.parentPath();
  if (above != kScheduleRoot && !paths_.contains(above)) {
    throw ScheduleError(line, "there is nothing at '" + above +
                                  "'; place an object there before, with: object NAME at " + above);
  }
  const Oid parent = oidOf(nameFor(line, above));
  const Oid oid = create(wanted.name);
  NEPHRITE_CHECK(local_.setPlace(oid, parent) == LockManager::Placing::Done);
  parents_[oid] = parent;
  paths_[wanted.path] = wanted.name;
}

void ReplayObjects::add(int line, const std::string& name,
                        const std::shared_ptr<const NamedResource>& resource) {
  expectNew(line, name);
  resources_.push_back(resource);
  note(name, resource->oid);
}

const std::string& ReplayObjects::nameFor(int line, const std::string& word) {
  if (word == kScheduleRoot && !oids_.contains(word)) create(word);
  if (const auto path = paths_.find(word); path != paths_.end()) return path->second;
  const auto object = oids_.find(word);
  if (object == oids_.end()) {
    throw ScheduleError(line, "there is no object '" + word + "'; create it with: object " + word);
  }
  return object->first;
}

std::vector<Oid> ReplayObjects::above(Oid oid) const {
  std::vector<Oid> found;
  for (auto at = parents_.find(oid); at != parents_.end(); at = parents_.find(at->second)) {
    found.push_back(at->second);
  }
  return found;
}

Oid ReplayObjects::create(const std::string& name) {
  const Oid oid = local_.newOid(Lifetime::Persistent, class_);
  ChangeSet created;
  created.changes.push_back({ChangeKind::Create, {oid, 1, {}, {}}});
  local_.store().commit(created);
  note(name, oid);
  return oid;
}

void ReplayObjects::note(const std::string& name, Oid oid) {
  oids_[name] = oid;
  names_[oid] = name;
}

}  // namespace nephrite
