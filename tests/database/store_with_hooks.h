#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "objects/object_store.h"

namespace nephrite {

/// A store whose disk can be told to fail, and that calls back when it is about to commit, or to
/// give an Oid.
class StoreWithHooks final : public ObjectStore {
 public:
  explicit StoreWithHooks(std::shared_ptr<ObjectStore> sound) : sound_(std::move(sound)) {}

  std::atomic<bool> commitsFail{false};
  std::atomic<bool> fetchesFail{false};
  std::atomic<bool> numbersFail{false};
  std::function<void()> beforeCommit = [] {};
  std::function<void()> beforeNewOid = [] {};

  std::shared_ptr<const Schema> schema() const override { return sound_->schema(); }
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override {
    return sound_->defineClass(wanted);
  }
  Oid newOid(Oid::ClassNumber number) override {
    beforeNewOid();
    return sound_->newOid(number);
  }
  RecordPtr fetch(Oid oid) const override {
    if (fetchesFail) throw StoreException(StoreException::Reason::Io, "cannot read orders.sst");
    return sound_->fetch(oid);
  }
  std::uint32_t knownEdition(Oid oid, bool fetchedSoon) const override {
    return sound_->knownEdition(oid, fetchedSoon);
  }
  void commit(const ChangeSet& changes) override {
    beforeCommit();
    if (commitsFail) throw StoreException(StoreException::Reason::Io, "no space left on /data");
    sound_->commit(changes);
  }
  std::vector<Oid> instances(Oid::ClassNumber number, Oid after,
                             std::size_t maxEntries) const override {
    return sound_->instances(number, after, maxEntries);
  }
  std::uint64_t lastCommitOf(std::uint64_t process) const override {
    return sound_->lastCommitOf(process);
  }
  void forgetCommits(std::uint64_t process) override { sound_->forgetCommits(process); }
  std::uint64_t reserveNumbers(std::string_view sequence, std::uint64_t count) override {
    if (numbersFail) throw StoreException(StoreException::Reason::Io, "no space left on /data");
    return sound_->reserveNumbers(sequence, count);
  }
  Statistics statistics() const override { return sound_->statistics(); }

 private:
  const std::shared_ptr<ObjectStore> sound_;
};

}  // namespace nephrite
