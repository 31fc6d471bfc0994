#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "objects/change_set.h"
#include "objects/class_def.h"
#include "objects/oid.h"
#include "objects/store_exception.h"

namespace nephrite {

/// Objects at rest: a schema, and the latest committed edition of each persistent object.
///
/// Shape:   RocksDB below, with its write-ahead log on; above it a cache of records bounded in
///          bytes. Takes no object locks: who may change what is decided elsewhere. What is on
///          disk: docs/store.md.
/// Commit:  a change set is durable, whole, when commit() returns; fetch() shows nothing of it
///          before it is durable. After a crash it is there whole or not at all. While it ends, its
///          objects become visible one by one: a reader that must see several in step locks them.
/// Errors:  StoreException for what the world or the stored state forbids; std::invalid_argument
///          for what makes no sense by itself. Either way nothing was changed, except that a
///          commit that failed with Io may be there, whole, when the store is opened again.
/// Threads: any method, from any thread. Commits of several threads share their disk syncs.
///          Commits that touch the same object are serialised; the later one is validated against
///          the result of the earlier.
class ObjectStore {
 public:
  struct Options {
    std::filesystem::path directory = {};  ///< Made when missing. Ignored when inMemory.
    bool inMemory = false;                 ///< Nothing is written to disk; gone when closed.
    bool syncCommits = true;  ///< Off: a power cut may lose the latest commits, in order.
    std::uint64_t cacheBytes = 80ull << 20;
    bool verifyOnOpen = true;  ///< Read and check every table file before opening.
    /// What is recorded of the commits of processes that have not committed for so long is
    /// forgotten when the store is opened.
    std::chrono::hours keepOutcomes{24 * 30};
    const Clock* clock = &SystemClock::instance();  ///< Dates them; must outlive the store.
  };

  /// Opens the store, or makes it in an empty directory. Checks it first: a damaged store is
  /// refused (Damaged), and nothing in it is changed.
  static std::unique_ptr<ObjectStore> open(const Options& options);
  virtual ~ObjectStore() = default;

  // --- Schema -------------------------------------------------------------------------------

  virtual std::shared_ptr<const Schema> schema() const = 0;

  /// Makes the class, or adds to it the properties it lacks; durable on return. `wanted.number`
  /// may be 0 (the store gives one, from 2048 on). Names are brought into NFC. What is stored is
  /// never changed or taken away: another type, kind or number is a SchemaConflict. A name that
  /// is no identifier is std::invalid_argument.
  virtual std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) = 0;

  // --- Objects --------------------------------------------------------------------------------

  /// An Oid for a new object; never given twice, also across restarts.
  virtual Oid newOid(Oid::ClassNumber classNumber) = 0;

  /// The latest committed edition; null when there is no such object. Never an older one than a
  /// fetch() that ended before has shown.
  virtual RecordPtr fetch(Oid oid) const = 0;
  /// The same when it is in memory, so that no disk is waited for; else null.
  virtual RecordPtr fetchCached(Oid oid) const { return fetch(oid); }
  /// The edition that fetch() would show, if that is known without looking for it; else 0. The
  /// record itself is not touched; when it will be `fetchedSoon` it is called for, as prefetch()
  /// calls for where it is found.
  virtual std::uint32_t knownEdition(Oid, bool /*fetchedSoon*/) const { return 0; }
  /// A hint that `oid` will be fetched soon, so that the fetch waits less for memory. Does not
  /// wait.
  virtual void prefetch(Oid) const {}

  /// Makes `changes` durable, then visible; on return created records have edition 1 and
  /// updated ones one more. Throws and changes nothing when a change is stale or does not suit
  /// the schema. Members must stand in the order of their kind. With `changes.id` it is recorded,
  /// in the same write, that this commit took place, also when it changes nothing.
  virtual void commit(const ChangeSet& changes) = 0;

  /// Instances of a class, in Oid order, from after `after`; at most `maxEntries`. Of a commit that
  /// is just ending it may show a part.
  virtual std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after = Oid(),
                                     std::size_t maxEntries = SIZE_MAX) const = 0;

  // --- Commits whose answer was lost ------------------------------------------------------------

  /// The number of the last commit recorded of a process, never before it is durable; 0 when none
  /// is. The process's latest commit took place if it has this number, and did not if it has a
  /// higher one. That holds when its commits come one after the other, none is under way, and they
  /// have not been forgotten. Throws NotWritable when the write of one of them failed: whether it
  /// is there is known when the store is opened again.
  virtual std::uint64_t lastCommitOf(std::uint64_t process) const = 0;

  /// The commits of this process will not be asked for any more. Harmless when none is recorded.
  /// Never fails its caller: after a crash or a failed write (which is logged) the record may be
  /// there again, until it is too old.
  virtual void forgetCommits(std::uint64_t process) = 0;

  // --- Numbers that only rise --------------------------------------------------------------

  /// Reserves `count` numbers of a named sequence, durably; the first of them. Starts at 1.
  /// std::overflow_error when there are no more.
  virtual std::uint64_t reserveNumbers(std::string_view sequence, std::uint64_t count) = 0;

  // --- Looking -----------------------------------------------------------------------------

  /// Why nothing can be committed any more, and what to do; empty when it can.
  virtual std::string trouble() const { return {}; }

  struct Statistics {
    std::uint64_t fetches = 0;    ///< fetch() calls.
    std::uint64_t cacheHits = 0;  ///< ... answered from memory.
    std::uint64_t commits = 0;
    std::uint64_t cacheBytes = 0;  ///< In use now.
  };
  virtual Statistics statistics() const = 0;
};

/// Where a store without a schema of its own takes it from. Both are called from any thread, with
/// no mutex held, for as long as the store lives.
struct SchemaSource {
  std::function<std::shared_ptr<const Schema>()> schema;
  std::function<std::shared_ptr<const ClassDef>(const ClassDef& wanted)> defineClass;
};

/// The in-memory home of shared transient objects: the same commit, without disk. Its schema is
/// what `source` says; its Oids are SharedTransient; its numbers start at 1 with each. It records
/// no commits: no answer is lost between it and its users, which are in the same program.
/// Threads: any.
std::unique_ptr<ObjectStore> makeTransientStore(SchemaSource source);

}  // namespace nephrite
