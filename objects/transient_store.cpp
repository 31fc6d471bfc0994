#include <iterator>
#include <map>
#include <stdexcept>
#include <unordered_map>

#include "base/mutex.h"
#include "objects/change_check.h"
#include "objects/object_store.h"
#include "objects/record_cache.h"

namespace nephrite {
namespace {

/// Shared transients: a map. Commits and fetches of all objects go through one mutex, a leaf.
class TransientStore final : public ObjectStore {
 public:
  explicit TransientStore(SchemaSource source) : source_(std::move(source)) {}

  std::shared_ptr<const Schema> schema() const override { return source_.schema(); }

  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override {
    return source_.defineClass(wanted);
  }

  Oid newOid(Oid::ClassNumber classNumber) override {
    MutexLock hold(mutex_);
    return Oid(Lifetime::SharedTransient, classNumber, ++lastInstance_[classNumber]);
  }

  RecordPtr fetch(Oid oid) const override {
    MutexLock hold(mutex_);
    ++statistics_.fetches;
    ++statistics_.cacheHits;
    return find(oid);
  }

  void commit(const ChangeSet& changes) override {
    if (changes.empty()) return;
    const auto known = schema();
    checkChanges(*known, Lifetime::SharedTransient, changes);
    std::vector<NextEdition> next;
    next.reserve(changes.changes.size());
    std::vector<RecordPtr> replaced;  // Freed after the mutex.
    replaced.reserve(changes.changes.size());
    MutexLock hold(mutex_);
    for (const ObjectChange& change : changes.changes) {
      const RecordPtr current = find(change.record->oid);
      next.push_back(nextEdition(*known, change, current.get(), changes.handedOver));
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
      next[i].apply();
      replaced.push_back(replace(changes.changes[i].record->oid, next[i].record));
    }
    ++statistics_.commits;
  }

  std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                             std::size_t maxEntries) const override {
    const Oid first(Lifetime::SharedTransient, classNumber, 0);
    std::vector<Oid> found;
    MutexLock hold(mutex_);
    auto entry = records_.upper_bound(after < first ? first : after);
    for (; entry != records_.end() && found.size() < maxEntries; ++entry) {
      if (entry->first.classNumber() != classNumber) break;
      found.push_back(entry->first);
    }
    return found;
  }

  std::uint64_t lastCommitOf(std::uint64_t /*process*/) const override { return 0; }
  void forgetCommits(std::uint64_t /*process*/) override {}

  std::uint64_t reserveNumbers(std::string_view sequence, std::uint64_t count) override {
    if (count == 0) throw std::invalid_argument("no numbers are asked of a sequence");
    MutexLock hold(mutex_);
    std::uint64_t& given = numbersGiven_[std::string(sequence)];
    if (count > UINT64_MAX - 1 - given) {
      throw std::overflow_error("sequence \"" + std::string(sequence) + "\" has no " +
                                std::to_string(count) + " numbers left");
    }
    const std::uint64_t first = given + 1;
    given += count;
    return first;
  }

  Statistics statistics() const override {
    MutexLock hold(mutex_);
    return statistics_;
  }

 private:
  RecordPtr find(Oid oid) const NEPHRITE_REQUIRES(mutex_) {
    const auto found = records_.find(oid);
    return found == records_.end() ? nullptr : found->second;
  }

  /// Puts `record` (null: nothing) in the place of what `oid` has, and returns that.
  RecordPtr replace(Oid oid, RecordPtr record) NEPHRITE_REQUIRES(mutex_) {
    if (record) statistics_.cacheBytes += bytesOf(*record);
    RecordPtr& place = records_[oid];
    place.swap(record);
    if (record) statistics_.cacheBytes -= bytesOf(*record);
    if (!place) records_.erase(oid);
    return record;
  }

  const SchemaSource source_;

  mutable Mutex mutex_;
  std::map<Oid, RecordPtr> records_ NEPHRITE_GUARDED_BY(mutex_);
  std::unordered_map<Oid::ClassNumber, std::uint64_t> lastInstance_ NEPHRITE_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::uint64_t> numbersGiven_ NEPHRITE_GUARDED_BY(mutex_);
  mutable Statistics statistics_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ObjectStore> makeTransientStore(SchemaSource source) {
  return std::make_unique<TransientStore>(std::move(source));
}

}  // namespace nephrite
