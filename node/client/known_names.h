#pragma once

// Private to node.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "node/wire/messages.h"

namespace nephrite {

/// Who is who, and what resources are called, as far as a server has told: bounded, the last first.
///
/// Resources: one that the application uses keeps its Oid at the server until its last user here
///            has gone, which drop() is called for then.
/// Threads:   any; the mutexes are leaves.
class KnownNames {
 public:
  using Drop = std::function<void(Oid oid, std::uint64_t times)>;
  explicit KnownNames(Drop drop);
  ~KnownNames();
  KnownNames(const KnownNames&) = delete;
  KnownNames& operator=(const KnownNames&) = delete;

  void remember(const wire::ProcessInfos& people) NEPHRITE_EXCLUDES(mutex_);
  std::optional<ProcessInfo> find(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);

  void remember(const wire::Names& names) NEPHRITE_EXCLUDES(mutex_);
  /// Empty: not known.
  std::string shown(Oid resource) const NEPHRITE_EXCLUDES(mutex_);

  /// The resource of that name, if the application uses it.
  std::shared_ptr<const NamedResource> used(const std::string& name) const;
  /// The server has told once more which Oid it has.
  std::shared_ptr<const NamedResource> use(const std::string& name, Oid oid);
  /// The session is over: what its resources were called is not true of the next one's. None of
  /// them is dropped any more when this returns.
  void forgetResources() NEPHRITE_EXCLUDES(mutex_);

 private:
  struct Resources;

  mutable Mutex mutex_;
  std::list<ProcessInfo> people_ NEPHRITE_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::list<ProcessInfo>::iterator> personByLocker_
      NEPHRITE_GUARDED_BY(mutex_);
  std::list<wire::ResourceName> names_ NEPHRITE_GUARDED_BY(mutex_);
  std::unordered_map<Oid, std::list<wire::ResourceName>::iterator> nameByOid_
      NEPHRITE_GUARDED_BY(mutex_);
  const std::shared_ptr<Resources> resources_;  // What is handed out may outlive this.
};

}  // namespace nephrite
