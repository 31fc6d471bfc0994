#include "objects/disk/rocks_store.h"

#include <algorithm>
#include <stdexcept>

#include "base/log.h"
#include "objects/disk/byte_stream.h"
#include "objects/disk/record_codec.h"
#include "objects/disk/store_error.h"
#include "objects/schema_change.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;

/// Instance numbers reserved at once: one disk sync for so many new objects of a class.
constexpr std::uint64_t kNumbersPerBlock = 256;

std::string classKey(Oid::ClassNumber number) {
  return std::string{'c', static_cast<char>(number >> 8), static_cast<char>(number)};
}

std::string sequenceKey(std::string_view sequence) { return "s" + std::string(sequence); }

std::vector<Oid> oidsOf(const ChangeSet& changes) {
  std::vector<Oid> oids;
  oids.reserve(changes.changes.size());
  for (const ObjectChange& change : changes.changes) oids.push_back(change.record->oid);
  return oids;
}

ObjectStore::Options inDirectory(ObjectStore::Options options, const StoreDirectory* directory) {
  if (directory != nullptr) options.directory = directory->path();
  return options;
}

std::string showCommit(const ChangeSet& changes) {
  return "commit " + std::to_string(changes.changes.size()) +
         (changes.changes.size() == 1 ? " change" : " changes");
}

/// Text whose memory will be that of the next: all of it shall be in the caches by then, as far as
/// it is short. What stands before it is malloc's.
void callForMemoryOf(const std::string& text) {
  constexpr std::size_t kLine = 64, kShort = 256;
  const char* const begin = text.data() - sizeof(std::size_t);
  const std::size_t bytes = std::min(text.size() + sizeof(std::size_t), kShort);
  for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(begin + at, /*write=*/1);
}

/// Records that were not read lately are in no processor cache. So all are prefetched, step by
/// step, before the first is freed: the misses overlap.
void freeTogether(std::vector<RecordPtr>& records) {
  for (const RecordPtr& record : records)
    if (record) __builtin_prefetch(record->values.data());
  for (const RecordPtr& record : records) {
    if (!record) continue;
    for (const Value& value : record->values) {
      if (const auto* const text = std::get_if<std::string>(&value)) callForMemoryOf(*text);
    }
  }
  records.clear();
}

}  // namespace

/// A commit between its first look at the objects and its end. Unless finish() is called,
/// nothing happened.
class RocksStore::CommitUnderWay {
 public:
  CommitUnderWay(RocksStore& store, const ChangeSet& changes)
      : store_(store), oids_(oidsOf(changes)), before_(oids_.size()) {
    expectAll();
    store_.gate_.enter(oids_);
  }

  ~CommitUnderWay() {
    if (!finished_)
      for (std::size_t i = 0; i < begun_; ++i) store_.cache_.cancelCommit(oids_[i]);
    store_.gate_.leave(oids_);
    freeTogether(before_);
  }

  CommitUnderWay(const CommitUnderWay&) = delete;
  CommitUnderWay& operator=(const CommitUnderWay&) = delete;

  /// The latest edition of the next object, in the order of the changes; null when there is none.
  RecordPtr begin() {
    const Oid oid = oids_[begun_];
    RecordPtr current = store_.cache_.beginCommit(oid);
    ++begun_;
    return current ? current : store_.load(oid);
  }

  /// `next[i]` is durable in the place of the i-th object.
  void finish(const std::vector<NextEdition>& next) {
    expectAll();
    for (const NextEdition& each : next)
      if (each.record) __builtin_prefetch(each.record.get(), /*write=*/1);
    for (std::size_t i = 0; i < oids_.size(); ++i) {
      next[i].apply();
      before_[i] = store_.cache_.endCommit(oids_[i], next[i].record);
    }
    finished_ = true;
  }

 private:
  // Writing takes long enough for much of what was looked at before it to leave the caches. So all
  // slots are called for before the first is waited for.
  void expectAll() const {
    for (const Oid oid : oids_) store_.cache_.expect(oid);
  }

  RocksStore& store_;
  const std::vector<Oid> oids_;
  std::vector<RecordPtr> before_;  // What the commit has replaced.
  std::size_t begun_ = 0;
  bool finished_ = false;
};

RocksStore::RocksStore(const Options& options, rocksdb::Env* env,
                       std::unique_ptr<rocksdb::Env> ownEnv)
    : ownEnv_(std::move(ownEnv)),
      directory_(options.inMemory ? nullptr
                                  : std::make_unique<StoreDirectory>(options.directory, *env)),
      options_(inDirectory(options, directory_.get())),
      cache_(options.cacheBytes) {
  openDatabase(env);
  loadSchema();
  marks_ = std::make_unique<CommitMarks>(*database_, options_);
  forgetOldCommits();
}

RocksStore::~RocksStore() {
  if (options_.inMemory) return;
  try {
    close();
  } catch (const StoreException& error) {
    if (error.reason() == Reason::LockGone) return;  // Told when it was found.
    log(LogLevel::Warning, "store.close_failed",
        {{"path", options_.directory.string()}, {"error", error.what()}});
  }
}

void RocksStore::close() {
  refuseWhenGone([] { return "close the store"; });
  if (!writable_.load()) return;
  giveBackNumbers();
  // Table files are checked to the last byte when opened; a log can lose its last records
  // without a trace. So a store at rest has its objects in table files.
  const rocksdb::Status status = database_->flush();
  if (!status.ok()) {
    log(LogLevel::Warning, "store.flush_failed",
        {{"path", options_.directory.string()}, {"error", status.ToString()}});
  }
}

void RocksStore::openDatabase(rocksdb::Env* env) {
  if (options_.inMemory) {
    database_ = RocksDatabase::open(options_, env, /*make=*/true);
    return;
  }
  const bool make = directory_->prepare();
  if (!make && options_.verifyOnOpen) RocksDatabase::verify(options_, env);
  database_ = RocksDatabase::open(options_, env, make);
  if (make) directory_->finishMaking();
}

// --- Schema -----------------------------------------------------------------------------------

void RocksStore::loadSchema() {
  std::vector<std::shared_ptr<const ClassDef>> classes;
  const auto add = [&](std::string_view key, std::string_view value) {
    try {
      classes.push_back(std::make_shared<const ClassDef>(decodeClass(value)));
    } catch (const DecodeError& error) {
      throwDamaged("class " + rocksdb::Slice(key).ToString(/*hex=*/true) + " in " +
                   options_.directory.string() + " cannot be read: " + error.what());
    }
    if (key == classKey(classes.back()->number)) return true;
    throwDamaged("class \"" + classes.back()->name + "\" in " + options_.directory.string() +
                 " stands at the place of another");
  };
  const rocksdb::Status status = database_->scan(database_->schema(), "", "", add);
  if (!status.ok()) throwOpenStatus(status, "read the schema", options_.directory);
  MutexLock hold(schemaMutex_);
  schema_ = std::make_shared<const Schema>(std::move(classes));
}

std::shared_ptr<const Schema> RocksStore::schema() const {
  MutexLock hold(schemaMutex_);
  return schema_;
}

std::shared_ptr<const ClassDef> RocksStore::defineClass(const ClassDef& wanted) {
  MutexLock change(schemaChangeMutex_);
  const std::shared_ptr<const Schema> before = schema();
  auto grown = growClass(*before, wanted);
  if (!grown) return before->find(wanted.name);

  const auto definition = std::make_shared<const ClassDef>(std::move(*grown));
  rocksdb::WriteBatch batch;
  batch.Put(database_->schema(), classKey(definition->number), encodeClass(*definition));
  write(batch, /*sync=*/true, [&] { return "store class \"" + definition->name + "\""; });

  auto after = before->with(definition);
  MutexLock hold(schemaMutex_);
  schema_ = std::move(after);
  return definition;
}

// --- Objects ----------------------------------------------------------------------------------

RecordPtr RocksStore::fetch(Oid oid) const {
  if (!oid.isNull() && oid.lifetime() == Lifetime::Persistent) {
    auto [record, ticket] = cache_.find(oid);
    if (record) return std::move(record);
    record = load(oid);
    if (record) cache_.offer(record, ticket);
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::move(record);
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

RecordPtr RocksStore::load(Oid oid) const {
  rocksdb::PinnableSlice bytes;
  const rocksdb::Status status = database_->get(database_->objects(), encodeOid(oid), bytes);
  if (status.IsNotFound()) return nullptr;
  if (!status.ok()) throwStatus(status, "read object " + schema()->show(oid), options_.directory);
  try {
    return decodeRecord(oid, bytes.ToStringView());
  } catch (const DecodeError& error) {
    throwDamaged("object " + schema()->show(oid) + " in " + options_.directory.string() +
                 " cannot be read: " + error.what());
  }
}

void RocksStore::commit(const ChangeSet& changes) {
  if (changes.empty() && changes.id.isNull()) return;
  refuseUnlessWritable([&] { return showCommit(changes); });
  const std::shared_ptr<const Schema> known = schema();
  checkChanges(*known, Lifetime::Persistent, changes);

  CommitUnderWay underWay(*this, changes);
  std::vector<NextEdition> next;
  next.reserve(changes.changes.size());
  for (const ObjectChange& change : changes.changes) {
    const RecordPtr current = underWay.begin();
    next.push_back(nextEdition(*known, change, current.get(), changes.handedOver));
  }
  writeCommit(batchOf(changes, next), changes);
  underWay.finish(next);
  commits_.fetch_add(1, std::memory_order_relaxed);
}

void RocksStore::writeCommit(rocksdb::WriteBatch& batch, const ChangeSet& changes) {
  try {
    write(batch, options_.syncCommits, [&] { return showCommit(changes); });
  } catch (const StoreException& failure) {
    const auto isRefusal = [](Reason reason) {
      return reason == Reason::NotWritable || reason == Reason::LockGone;
    };
    // What was refused is certainly not there; what failed may be.
    if (!isRefusal(failure.reason()) && !changes.id.isNull()) {
      marks_->setUnknown(changes.id);
    }
    throw;
  }
}

// Each thread keeps its own: asked for a block of that size, malloc would first put together all
// small ones that the commit before has freed.
rocksdb::WriteBatch& RocksStore::batchOf(const ChangeSet& changes,
                                         const std::vector<NextEdition>& next) const {
  constexpr std::size_t kMostKept = std::size_t{64} << 10;
  thread_local rocksdb::WriteBatch batch;
  thread_local std::string bytes;
  if (batch.GetDataSize() > kMostKept) batch = rocksdb::WriteBatch();
  if (bytes.capacity() > kMostKept) bytes = std::string();
  batch.Clear();
  for (std::size_t i = 0; i < next.size(); ++i) {
    const std::string key = encodeOid(changes.changes[i].record->oid);
    if (next[i].record) {
      encodeRecord(*next[i].record, next[i].edition, bytes);
      batch.Put(database_->objects(), key, bytes);
    } else {
      batch.Delete(database_->objects(), key);
    }
  }
  if (!changes.id.isNull()) marks_->put(batch, changes.id);
  return batch;
}

std::vector<Oid> RocksStore::instances(Oid::ClassNumber classNumber, Oid after,
                                       std::size_t maxEntries) const {
  const Oid first(Lifetime::Persistent, classNumber, 0);
  const Oid last(Lifetime::Persistent, classNumber, Oid::kMaxInstance);
  std::vector<Oid> found;
  if (after >= last || maxEntries == 0) return found;
  const Oid start = after < first ? first : Oid::fromBits(after.bits() + 1);
  const Oid end = Oid::fromBits(last.bits() + 1);
  const rocksdb::Status status =
      database_->scan(database_->objects(), encodeOid(start), encodeOid(end),
                      [&](std::string_view key, std::string_view /*value*/) {
                        found.push_back(decodeOid(key));
                        return found.size() < maxEntries;
                      });
  if (!status.ok()) {
    throwStatus(status, "list the instances of class " + std::to_string(classNumber),
                options_.directory);
  }
  return found;
}

// --- Commits whose answer was lost --------------------------------------------------------------

std::uint64_t RocksStore::lastCommitOf(std::uint64_t process) const {
  return marks_->lastOf(process);
}

void RocksStore::forgetCommits(std::uint64_t process) {
  if (!writable_.load()) return;
  rocksdb::WriteBatch batch;
  marks_->remove(batch, process);
  try {
    write(batch, /*sync=*/false,
          [process] { return "forget the commits of process " + std::to_string(process); });
  } catch (const StoreException& error) {
    log(LogLevel::Warning, "store.commits_not_forgotten", {{"error", error.what()}});
  }
}

void RocksStore::forgetOldCommits() {
  rocksdb::WriteBatch batch;
  marks_->removeOld(batch);
  if (batch.Count() > 0) write(batch, /*sync=*/false, [] { return "forget old commits"; });
}

// --- Numbers ----------------------------------------------------------------------------------

Oid RocksStore::newOid(Oid::ClassNumber classNumber) {
  MutexLock hold(numbersMutex_);
  NumberBlock& block = blocks_[classNumber];
  if (block.next == block.end) {
    const std::uint64_t first = reserve(classKey(classNumber), kNumbersPerBlock, Oid::kMaxInstance,
                                        "class " + std::to_string(classNumber));
    block = {first, first + kNumbersPerBlock};
  }
  return Oid(Lifetime::Persistent, classNumber, block.next++);
}

std::uint64_t RocksStore::reserveNumbers(std::string_view sequence, std::uint64_t count) {
  if (count == 0) {
    throw std::invalid_argument("no numbers are asked of sequence \"" + std::string(sequence) +
                                "\"; ask for at least one");
  }
  MutexLock hold(numbersMutex_);
  return reserve(sequenceKey(sequence), count, UINT64_MAX - 1,
                 "sequence \"" + std::string(sequence) + "\"");
}

std::uint64_t RocksStore::reserve(const std::string& key, std::uint64_t count,
                                  std::uint64_t highest, const std::string& subject) {
  const std::uint64_t first = readNumber(key);
  if (first > highest || count > highest - first + 1) {
    throw std::overflow_error(subject + " has no " + std::to_string(count) +
                              " numbers left: it is at " + std::to_string(first));
  }
  writeNumber(key, first + count);
  return first;
}

std::uint64_t RocksStore::readNumber(const std::string& key) const {
  rocksdb::PinnableSlice bytes;
  const rocksdb::Status status = database_->get(database_->numbers(), key, bytes);
  if (status.IsNotFound()) return 1;
  if (!status.ok()) throwStatus(status, "read a number sequence", options_.directory);
  try {
    ByteReader in(bytes.ToStringView());
    const std::uint64_t next = in.fixed64();
    in.expectEnd();
    return next;
  } catch (const DecodeError& error) {
    throwDamaged("number sequence " + rocksdb::Slice(key).ToString(/*hex=*/true) + " in " +
                 options_.directory.string() + " cannot be read: " + error.what());
  }
}

void RocksStore::writeNumber(const std::string& key, std::uint64_t next) {
  ByteWriter out;
  out.fixed64(next);
  rocksdb::WriteBatch batch;
  batch.Put(database_->numbers(), key, out.take());
  write(batch, /*sync=*/true, [] { return "reserve numbers"; });
}

/// So that closing and opening leaves no gaps. After a kill there is a gap, and that is all.
void RocksStore::giveBackNumbers() {
  MutexLock hold(numbersMutex_);
  try {
    for (const auto& [classNumber, block] : blocks_)
      if (block.next != block.end) writeNumber(classKey(classNumber), block.next);
  } catch (const StoreException& error) {
    log(LogLevel::Warning, "store.numbers_not_given_back", {{"error", error.what()}});
  }
}

// --- Writing ----------------------------------------------------------------------------------

void RocksStore::refuseUnlessWritable(Tried tried) const {
  if (writable_.load()) return;
  throwNotWritable(tried);
}

void RocksStore::throwNotWritable(Tried tried) const {
  const std::string failed = "could not " + tried() + " in " + options_.directory.string() + ": ";
  std::string gone;
  {
    MutexLock hold(refusalMutex_);
    gone = whyGone_;
  }
  if (gone.empty()) {
    throw StoreException(Reason::NotWritable,
                         failed +
                             "an earlier write failed (see the log). Reading goes on; correct "
                             "the cause, then open the store again");
  }
  throw StoreException(Reason::LockGone,
                       failed + gone +
                           " while the store was open, so that another program may "
                           "write there. Nothing more is written here; reading goes "
                           "on. See that the store's directory is where it was and "
                           "that no other program uses it, then open the store again");
}

void RocksStore::refuseWhenGone(Tried tried) {
  if (!directory_) return;
  std::string gone = directory_->whyGone();
  if (gone.empty()) return;
  {
    MutexLock hold(refusalMutex_);
    if (whyGone_.empty()) {
      log(LogLevel::Error, "store.lock_gone", {{"why", gone}});
      whyGone_ = std::move(gone);
    }
  }
  writable_.store(false);
  database_->leaveFilesAlone();
  throwNotWritable(tried);
}

void RocksStore::write(rocksdb::WriteBatch& batch, bool sync, Tried tried) {
  refuseUnlessWritable(tried);
  refuseWhenGone(tried);
  rocksdb::WriteOptions how;
  how.sync = sync && !options_.inMemory;
  how.disableWAL = options_.inMemory;
  const rocksdb::Status status = database_->write(how, batch);
  if (status.ok()) return;
  try {
    throwStatus(status, tried(), options_.directory);
  } catch (const StoreException& failure) {
    MutexLock hold(refusalMutex_);
    if (writable_.exchange(false)) whyFailed_ = failure.what();
    throw;
  }
}

std::string RocksStore::trouble() const {
  if (writable_.load()) return {};
  MutexLock hold(refusalMutex_);
  const std::string why = whyGone_.empty()
                              ? whyFailed_ + ". Reading goes on; correct the cause"
                              : whyGone_ +
                                    " while the store was open, so that another program may write "
                                    "there. Reading goes on; see that no other program uses " +
                                    options_.directory.string();
  return "nothing can be committed: " + why + ", then open the store again (restart the server)";
}

// --- Looking ----------------------------------------------------------------------------------

ObjectStore::Statistics RocksStore::statistics() const {
  Statistics result;
  result.cacheHits = cache_.hits();
  result.fetches = result.cacheHits + misses_.load(std::memory_order_relaxed);
  result.commits = commits_.load(std::memory_order_relaxed);
  result.cacheBytes = cache_.bytesInUse();
  return result;
}

}  // namespace nephrite
