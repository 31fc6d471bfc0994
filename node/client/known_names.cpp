#include "node/client/known_names.h"

#include <utility>

namespace nephrite {
namespace {

constexpr std::size_t kMostKnown = 4096;

/// `item` is the first of `items` from now on, and the only one of its `key`.
template <class Items, class ByKey, class Key>
void putFirst(Items& items, ByKey& byKey, const Key& key, const typename Items::value_type& item) {
  const auto known = byKey.find(key);
  if (known != byKey.end()) items.erase(known->second);
  items.push_front(item);
  byKey[key] = items.begin();
}

}  // namespace

struct KnownNames::Resources {
  struct Used {
    std::string name;
    std::weak_ptr<const NamedResource> resource;
    std::uint64_t times = 0;  // So often has the server told.
  };

  // Of the last of those who use it, on its thread.
  void released(Oid oid) NEPHRITE_EXCLUDES(mutex) {
    Drop tell;
    std::uint64_t times = 0;
    {
      MutexLock hold(mutex);
      const auto used = byOid.find(oid);
      if (used == byOid.end() || !used->second.resource.expired()) return;
      times = used->second.times;
      byName.erase(used->second.name);
      byOid.erase(used);
      ++telling;
    }
    if (drop) drop(oid, times);
    MutexLock hold(mutex);
    if (--telling == 0) told.notifyAll();
  }

  Mutex mutex;
  CondVar told;
  Drop drop;                                   // Empty: nobody is told any more.
  int telling NEPHRITE_GUARDED_BY(mutex) = 0;  // So many are just being told.
  std::unordered_map<Oid, Used> byOid NEPHRITE_GUARDED_BY(mutex);
  std::unordered_map<std::string, Oid> byName NEPHRITE_GUARDED_BY(mutex);
};

KnownNames::KnownNames(Drop drop) : resources_(std::make_shared<Resources>()) {
  resources_->drop = std::move(drop);
}

KnownNames::~KnownNames() {
  forgetResources();  // From here on none is found that could be dropped.
}

void KnownNames::remember(const wire::ProcessInfos& people) {
  if (people.empty()) return;
  MutexLock hold(mutex_);
  for (const ProcessInfo& person : people) {
    if (person.locker.isNull()) continue;
    putFirst(people_, personByLocker_, person.locker.value, person);
    if (people_.size() <= kMostKnown) continue;
    personByLocker_.erase(people_.back().locker.value);
    people_.pop_back();
  }
}

std::optional<ProcessInfo> KnownNames::find(LockerId locker) const {
  MutexLock hold(mutex_);
  const auto known = personByLocker_.find(locker.value);
  return known == personByLocker_.end() ? std::nullopt : std::optional(*known->second);
}

void KnownNames::remember(const wire::Names& names) {
  if (names.empty()) return;
  MutexLock hold(mutex_);
  for (const wire::ResourceName& name : names) {
    putFirst(names_, nameByOid_, name.oid, name);
    if (names_.size() <= kMostKnown) continue;
    nameByOid_.erase(names_.back().oid);
    names_.pop_back();
  }
}

std::string KnownNames::shown(Oid resource) const {
  {
    MutexLock hold(resources_->mutex);
    const auto used = resources_->byOid.find(resource);
    if (used != resources_->byOid.end()) return showResource(used->second.name);
  }
  MutexLock hold(mutex_);
  const auto known = nameByOid_.find(resource);
  return known == nameByOid_.end() ? std::string() : known->second->shown;
}

std::shared_ptr<const NamedResource> KnownNames::used(const std::string& name) const {
  MutexLock hold(resources_->mutex);
  const auto known = resources_->byName.find(name);
  if (known == resources_->byName.end()) return nullptr;
  return resources_->byOid.at(known->second).resource.lock();
}

std::shared_ptr<const NamedResource> KnownNames::use(const std::string& name, Oid oid) {
  std::shared_ptr<const NamedResource> resource;
  MutexLock hold(resources_->mutex);
  Resources::Used& used = resources_->byOid[oid];
  ++used.times;
  used.name = name;
  resources_->byName[name] = oid;
  resource = used.resource.lock();
  if (resource) return resource;
  resource.reset(new NamedResource{oid, name}, [all = resources_](const NamedResource* gone) {
    const Oid released = gone->oid;
    delete gone;
    all->released(released);
  });
  used.resource = resource;
  return resource;
}

void KnownNames::forgetResources() {
  {
    MutexLock hold(resources_->mutex);
    resources_->byOid.clear();
    resources_->byName.clear();
    while (resources_->telling > 0) resources_->told.wait(resources_->mutex);
  }
  MutexLock hold(mutex_);
  names_.clear();
  nameByOid_.clear();
}

}  // namespace nephrite
