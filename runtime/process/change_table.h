#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "objects/change_set.h"

namespace nephrite {

/// What a session has changed and not committed, in the order of the first change of each object.
///
/// Shape:   one array, looked through while it is short; beyond that, with an index by Oid. It
///          keeps its memory from one transaction to the next.
/// Threads: one at a time.
class ChangeTable {
 public:
  /// Readers in this process share the record; a writer copies it while a reader still has it.
  struct Change {
    Oid oid;
    ChangeKind kind = ChangeKind::Update;
    std::shared_ptr<ObjectRecord> record;  ///< Null: erased.
    /// Unless kWhole: only record->values[only] is filled. The rest is read from edition
    /// record->edition when it is needed (complete()).
    mutable std::size_t only = kWhole;
    std::uint64_t lapses = 0;  ///< As Database::lapses(), before it was made.
    static constexpr std::size_t kWhole = SIZE_MAX;

    /// Takes the rest from the object's latest edition. False when the change is based on another.
    bool complete(const ObjectRecord& latest) const {
      if (only == kWhole) return true;
      if (latest.edition != record->edition) return false;
      fillFrom(latest, only, *record);
      only = kWhole;
      return true;
    }
  };

  const Change* find(Oid oid) const {
    if (!index_.empty()) {
      const auto known = index_.find(oid);
      return known == index_.end() ? nullptr : &changes_[known->second];
    }
    for (std::size_t i = changes_.size(); i-- > 0;)
      if (changes_[i].oid == oid && changes_[i].record) return &changes_[i];
    return nullptr;
  }
  Change* find(Oid oid) { return const_cast<Change*>(std::as_const(*this).find(oid)); }

  /// Of an object that is not in here.
  void add(Change change) {
    changes_.push_back(std::move(change));
    if (!index_.empty()) {
      index_[changes_.back().oid] = changes_.size() - 1;
    } else if (changes_.size() > kUnindexed) {
      reindex();
    }
  }

  /// `change` is in here. Others may move.
  void erase(Change& change) {
    index_.erase(change.oid);
    change.record = nullptr;
    if (++erased_ * 2 < changes_.size()) return;
    std::erase_if(changes_, [](const Change& it) { return it.record == nullptr; });
    erased_ = 0;
    index_.clear();
    if (changes_.size() > kUnindexed) reindex();
  }

  /// Calls `visit` for each, in order.
  template <class Visit>
  void forEach(const Visit& visit) const {
    for (const Change& change : changes_)
      if (change.record) visit(change);
  }

  std::size_t size() const { return changes_.size() - erased_; }

  void clear() {
    index_.clear();
    erased_ = 0;
    if (changes_.size() > kMostKept) {
      changes_ = {};
    } else {
      changes_.clear();
    }
  }

 private:
  static constexpr std::size_t kUnindexed = 16;
  static constexpr std::size_t kMostKept = 1024;

  void reindex() {
    for (std::size_t i = 0; i < changes_.size(); ++i)
      if (changes_[i].record) index_[changes_[i].oid] = i;
  }

  std::vector<Change> changes_;
  std::unordered_map<Oid, std::size_t> index_;  // Empty while the array is short.
  std::size_t erased_ = 0;
};

}  // namespace nephrite
