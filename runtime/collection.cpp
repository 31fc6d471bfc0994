#include "runtime/collection.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "runtime/process/process_core.h"
#include "runtime/process/value_fit.h"

namespace nephrite {
namespace {

using Members = std::vector<CollectionMember>;

constexpr std::size_t kDiscreteBatch = 64;

/// Share on a collection for an access: taken unless something is held, let go at the end unless
/// the process is in some state (unlock is ignored there).
class AccessLock {
 public:
  AccessLock(ProcessCore& process, Oid oid) : process_(process), oid_(oid) {
    ProcessMachine& machine = process.machine();
    if (oid.lifetime() == Lifetime::Transient || machine.isChanged(oid) ||
        machine.holds(oid, LockType::Share)) {
      return;
    }
    process.await(
        oid, [&](StepDone done) { machine.lockImplicitly(oid, LockType::Share, std::move(done)); });
    acquired_ = true;
  }
  ~AccessLock() {
    if (!acquired_) return;
    process_.finish("the end of an access", [this] { process_.machine().unlock(oid_); });
  }
  AccessLock(const AccessLock&) = delete;
  AccessLock& operator=(const AccessLock&) = delete;

 private:
  ProcessCore& process_;
  const Oid oid_;
  bool acquired_ = false;
};

/// A walk over an array that others may change between two batches. Places tell nothing then: what
/// was seen is counted by member, and in each new edition so many of each are passed over.
class ArrayWalk {
 public:
  /// Of the array as next() was last given it; 0 before that.
  std::uint32_t edition() const { return edition_; }
  void startAgain(std::uint32_t edition) {
    edition_ = edition;
    at_ = 0;
    passOver_ = seen_;
  }

  /// The next members that have not been seen; empty at the end.
  Members next(const Members& members) {
    Members batch;
    for (; at_ < members.size() && batch.size() < kDiscreteBatch; ++at_) {
      const Oid member = members[at_].member;
      const auto passed = passOver_.find(member);
      if (passed != passOver_.end() && passed->second > 0) {
        --passed->second;
        continue;
      }
      ++seen_[member];
      batch.push_back(members[at_]);
    }
    return batch;
  }

 private:
  std::uint32_t edition_ = 0;
  std::size_t at_ = 0;
  std::unordered_map<Oid, std::size_t> seen_, passOver_;
};

/// One access: `look` sees the collection under Share.
void access(ProcessCore& process, Oid oid, const std::function<void(const ObjectRecord&)>& look) {
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid, LockType::Share}, [&] {
    const AccessLock lock(process, oid);
    look(*process.read(oid));
  });
}

/// One change under the write lock. `mayEdit` throws, or is false, to leave the collection (and its
/// edition) as it was.
void edit(ProcessCore& process, Oid oid, const std::function<bool(const Members&)>& mayEdit,
          const std::function<void(Members&)>& doEdit) {
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid, LockType::Update}, [&] {
    process.lockForWrite(oid);
    if (mayEdit(process.read(oid)->members)) doEdit(process.change(oid).members);
  });
}

[[noreturn]] void refuse(ErrorCode code, const ProcessCore& process, Oid oid,
                         const std::string& what) {
  throw UsageException(code, process.show(oid) + ": " + what);
}

bool keyBefore(const CollectionMember& member, const Value& key) {
  return compareKeys(member.key, key) < 0;
}

Members::const_iterator findKey(const Members& members, const Value& key) {
  const auto it = std::lower_bound(members.begin(), members.end(), key, keyBefore);
  return it != members.end() && compareKeys(it->key, key) == 0 ? it : members.end();
}

Members::const_iterator findMember(const Members& members, Oid oid) {
  return std::find_if(members.begin(), members.end(),
                      [oid](const CollectionMember& entry) { return entry.member == oid; });
}

bool oidBefore(const CollectionMember& member, Oid oid) { return member.member < oid; }

bool setIncludes(const Members& members, Oid oid) {
  const auto it = std::lower_bound(members.begin(), members.end(), oid, oidBefore);
  return it != members.end() && it->member == oid;
}

void checkMember(const ProcessCore& process, Oid collection, const Object& member) {
  if (member.isNull()) {
    refuse(ErrorCode::NullReference, process, collection, "null cannot be a member");
  }
  checkOutlives(collection, member.oid(), [&] { return process.show(collection); });
}

void checkKind(const ProcessCore& process, Oid oid, ClassKind wanted) {
  const auto definition = process.classOf(oid);
  if (definition->kind == wanted) return;
  refuse(ErrorCode::NotThisCollectionKind, process, oid,
         "class " + definition->name + " is of kind " + std::string(nameOf(definition->kind)) +
             ", not " + std::string(nameOf(wanted)));
}

}  // namespace

Collection::Collection(Object object) : Object(std::move(object)) {
  if (isNull()) return;
  const auto definition = core().classOf(oid());
  if (definition->kind == ClassKind::Object) {
    refuse(ErrorCode::NotThisCollectionKind, core(), oid(),
           "class " + definition->name + " is no collection");
  }
}

std::size_t Collection::size() const {
  std::size_t size = 0;
  access(core(), oid(), [&](const ObjectRecord& record) { size = record.members.size(); });
  return size;
}

bool Collection::includes(const Object& member) const {
  bool found = false;
  const bool ordered = core().classOf(oid())->kind == ClassKind::Set;
  access(core(), oid(), [&](const ObjectRecord& record) {
    found = ordered ? setIncludes(record.members, member.oid())
                    : findMember(record.members, member.oid()) != record.members.end();
  });
  return found;
}

void Collection::forEach(const std::function<bool(const Object&)>& visit,
                         Iteration iteration) const {
  forEachEntry([&](const Value&, const Object& member) { return visit(member); }, iteration);
}

void Collection::forEachEntry(
    const std::function<bool(const Value& key, const Object& member)>& visit,
    Iteration iteration) const {
  if (iteration == Iteration::Discrete) return forEachDiscrete(visit);
  ProcessCore& process = core();
  std::optional<AccessLock> lock;
  RecordPtr record;
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Share}, [&] {
    lock.emplace(process, oid());
    record = process.read(oid());
  });
  for (const CollectionMember& entry : record->members) {
    if (!visit(entry.key, Object(this->process(), entry.member))) return;
  }
}

// The next batch begins behind the last member seen, by order, and in arrays as ArrayWalk has it;
// so that members added or removed meanwhile make no other be missed or seen twice.
void Collection::forEachDiscrete(
    const std::function<bool(const Value& key, const Object& member)>& visit) const {
  const ClassKind kind = core().classOf(oid())->kind;
  ArrayWalk array;
  Members batch;
  for (;;) {
    access(core(), oid(), [&](const ObjectRecord& record) {
      const Members& members = record.members;
      if (kind == ClassKind::Array) {
        if (core().machine().isChanged(oid()) || array.edition() != record.edition) {
          array.startAgain(record.edition);
        }
        batch = array.next(members);
        return;
      }
      auto from = members.begin();
      if (!batch.empty() && kind == ClassKind::Set) {
        from = std::upper_bound(members.begin(), members.end(), batch.back().member,
                                [](Oid oid, const auto& entry) { return oid < entry.member; });
      } else if (!batch.empty()) {
        from = std::upper_bound(
            members.begin(), members.end(), batch.back().key,
            [](const Value& key, const auto& entry) { return compareKeys(key, entry.key) < 0; });
      }
      const auto left = static_cast<std::size_t>(members.end() - from);
      batch.assign(from, from + static_cast<std::ptrdiff_t>(std::min(left, kDiscreteBatch)));
    });
    if (batch.empty()) return;
    for (const CollectionMember& entry : batch) {
      if (!visit(entry.key, Object(process(), entry.member))) return;
    }
  }
}

ObjectRange Collection::members() const {
  constexpr std::size_t kPage = 256;
  struct Walk {
    std::shared_ptr<ProcessCore> process;  // Outlives its lock.
    std::optional<AccessLock> lock;
    RecordPtr record;
    std::size_t at = 0;
  };
  const auto walk = std::make_shared<Walk>();
  walk->process = process();
  ProcessCore& core = this->core();
  core.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Share}, [&] {
    walk->lock.reset();
    walk->lock.emplace(core, oid());
    walk->record = core.read(oid());
  });
  return ObjectRange([walk] {
    const Members& members = walk->record->members;
    std::vector<Object> page;
    for (; walk->at < members.size() && page.size() < kPage; ++walk->at) {
      page.emplace_back(walk->process, members[walk->at].member);
    }
    if (page.empty()) walk->lock.reset();
    return page;
  });
}

std::vector<Object> Collection::clone() const {
  std::vector<Object> members;
  access(core(), oid(), [&](const ObjectRecord& record) {
    members.clear();
    for (const CollectionMember& entry : record.members) {
      members.emplace_back(process(), entry.member);
    }
  });
  return members;
}

void Collection::clear() const {
  edit(
      core(), oid(), [](const Members& members) { return !members.empty(); },
      [](Members& members) { members.clear(); });
}

// --- Array ---------------------------------------------------------------------------------------

Array::Array(Object object) : Collection(std::move(object)) {
  if (!isNull()) checkKind(core(), oid(), ClassKind::Array);
}

void Array::add(const Object& member) const {
  edit(
      core(), oid(),
      [&](const Members&) {
        checkMember(core(), oid(), member);
        return true;
      },
      [&](Members& members) {
        members.push_back({{}, member.oid()});
      });
}

Object Array::at(std::size_t index) const {
  Object found;
  access(core(), oid(), [&](const ObjectRecord& record) {
    if (index >= record.members.size()) {
      refuse(ErrorCode::IndexOutOfBounds, core(), oid(),
             "index " + std::to_string(index) + " is not below its size " +
                 std::to_string(record.members.size()));
    }
    found = Object(process(), record.members[index].member);
  });
  return found;
}

void Array::remove(const Object& member) const {
  edit(
      core(), oid(),
      [&](const Members& members) {
        if (findMember(members, member.oid()) != members.end()) return true;
        refuse(ErrorCode::EntryNotFound, core(), oid(), member.toString() + " is not in it");
      },
      [&](Members& members) { members.erase(findMember(members, member.oid())); });
}

void Array::removeAt(std::size_t index) const {
  edit(
      core(), oid(),
      [&](const Members& members) {
        if (index < members.size()) return true;
        refuse(ErrorCode::IndexOutOfBounds, core(), oid(),
               "index " + std::to_string(index) + " is not below its size " +
                   std::to_string(members.size()));
      },
      [&](Members& members) {
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(index));
      });
}

// --- Set -----------------------------------------------------------------------------------------

Set::Set(Object object) : Collection(std::move(object)) {
  if (!isNull()) checkKind(core(), oid(), ClassKind::Set);
}

bool Set::tryAdd(const Object& member) const {
  bool added = false;
  edit(
      core(), oid(),
      [&](const Members& members) {
        checkMember(core(), oid(), member);
        return !setIncludes(members, member.oid());
      },
      [&](Members& members) {
        members.insert(std::lower_bound(members.begin(), members.end(), member.oid(), oidBefore),
                       {{}, member.oid()});
        added = true;
      });
  return added;
}

void Set::add(const Object& member) const {
  edit(
      core(), oid(),
      [&](const Members& members) {
        checkMember(core(), oid(), member);
        if (!setIncludes(members, member.oid())) return true;
        refuse(ErrorCode::DuplicateMember, core(), oid(), member.toString() + " is in it already");
      },
      [&](Members& members) {
        members.insert(std::lower_bound(members.begin(), members.end(), member.oid(), oidBefore),
                       {{}, member.oid()});
      });
}

void Set::remove(const Object& member) const {
  edit(
      core(), oid(),
      [&](const Members& members) {
        if (setIncludes(members, member.oid())) return true;
        refuse(ErrorCode::EntryNotFound, core(), oid(), member.toString() + " is not in it");
      },
      [&](Members& members) {
        members.erase(std::lower_bound(members.begin(), members.end(), member.oid(), oidBefore));
      });
}

// --- Dictionary ----------------------------------------------------------------------------------

Dictionary::Dictionary(Object object) : Collection(std::move(object)) {
  if (!isNull()) checkKind(core(), oid(), ClassKind::Dictionary);
}

Value Dictionary::fitKey(Value key) const {
  const auto subject = [this] { return "a key of " + toString(); };
  fit(key, core().classOf(oid())->keyType, subject);
  if (typeOf(key) == ValueType::Null) {
    throw UsageException(ErrorCode::WrongValueType, subject() + " cannot be null");
  }
  return key;
}

void Dictionary::putValue(Value key, const Object& member) const {
  const Value fitting = fitKey(std::move(key));
  edit(
      core(), oid(),
      [&](const Members& members) {
        checkMember(core(), oid(), member);
        if (findKey(members, fitting) == members.end()) return true;
        refuse(ErrorCode::DuplicateKey, core(), oid(),
               "the key " + nephrite::toString(fitting) + " is taken");
      },
      [&](Members& members) {
        members.insert(std::lower_bound(members.begin(), members.end(), fitting, keyBefore),
                       {fitting, member.oid()});
      });
}

Object Dictionary::getAtValue(Value key) const {
  const Value fitting = fitKey(std::move(key));
  Object found;
  access(core(), oid(), [&](const ObjectRecord& record) {
    const auto it = findKey(record.members, fitting);
    if (it != record.members.end()) found = Object(process(), it->member);
  });
  return found;
}

void Dictionary::removeAtValue(Value key) const {
  const Value fitting = fitKey(std::move(key));
  edit(
      core(), oid(),
      [&](const Members& members) {
        if (findKey(members, fitting) != members.end()) return true;
        refuse(ErrorCode::EntryNotFound, core(), oid(),
               "there is no key " + nephrite::toString(fitting));
      },
      [&](Members& members) { members.erase(findKey(members, fitting)); });
}

std::vector<Value> Dictionary::keys() const {
  std::vector<Value> keys;
  access(core(), oid(), [&](const ObjectRecord& record) {
    keys.clear();
    for (const CollectionMember& entry : record.members) keys.push_back(entry.key);
  });
  return keys;
}

}  // namespace nephrite
