#include "objects/disk/commit_marks.h"

#include <chrono>
#include <string_view>

#include "objects/disk/byte_stream.h"
#include "objects/disk/decode_error.h"
#include "objects/disk/store_error.h"

namespace nephrite {
namespace {

constexpr const char* kFirstKey = "p";
constexpr const char* kBehindLastKey = "q";

struct Mark {
  std::uint64_t number = 0;
  std::uint64_t seconds = 0;  // Since 1970-01-01 UTC.
};

std::string keyOf(std::uint64_t process) {
  std::string key = kFirstKey;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(process >> shift);
  return key;
}

std::string encode(const Mark& mark) {
  ByteWriter out;
  out.fixed64(mark.number);
  out.fixed64(mark.seconds);
  return out.take();
}

Mark decode(std::string_view key, std::string_view bytes, const std::filesystem::path& path) {
  try {
    ByteReader in(bytes);
    Mark mark;
    mark.number = in.fixed64();
    mark.seconds = in.fixed64();
    in.expectEnd();
    return mark;
  } catch (const DecodeError& error) {
    throwDamaged("commit mark " + rocksdb::Slice(key).ToString(/*hex=*/true) + " in " +
                 path.string() + " cannot be read: " + error.what());
  }
}

}  // namespace

void CommitMarks::put(rocksdb::WriteBatch& batch, CommitId commit) const {
  batch.Put(database_.numbers(), keyOf(commit.process), encode({commit.number, secondsNow()}));
}

void CommitMarks::remove(rocksdb::WriteBatch& batch, std::uint64_t process) const {
  batch.Delete(database_.numbers(), keyOf(process));
}

void CommitMarks::removeOld(rocksdb::WriteBatch& batch) const {
  const std::uint64_t now = secondsNow();
  const rocksdb::Status status =
      database_.scan(database_.numbers(), kFirstKey, kBehindLastKey,
                     [&](std::string_view key, std::string_view value) {
                       const Mark mark = decode(key, value, options_.directory);
                       if (mark.seconds > now) return true;  // The clock was set back: not old.
                       // In hours, which cannot overflow, whatever is kept for how long.
                       const auto hours = static_cast<std::int64_t>((now - mark.seconds) / 3600);
                       if (std::chrono::hours(hours) >= options_.keepOutcomes) {
                         batch.Delete(database_.numbers(), rocksdb::Slice(key));
                       }
                       return true;
                     });
  if (!status.ok()) throwOpenStatus(status, "read the commit marks", options_.directory);
}

std::uint64_t CommitMarks::lastOf(std::uint64_t process) const {
  {
    MutexLock hold(mutex_);
    const auto unknown = unknown_.find(process);
    if (unknown != unknown_.end()) {
      throw StoreException(StoreException::Reason::NotWritable,
                           "could not tell whether commit " + std::to_string(unknown->second) +
                               " of process " + std::to_string(process) + " is in " +
                               options_.directory.string() +
                               ": its write failed (see the log). Correct the cause and open the "
                               "store again; then it is there whole, or not at all");
    }
  }
  const std::string key = keyOf(process);
  rocksdb::PinnableSlice bytes;
  const rocksdb::Status status = database_.get(database_.numbers(), key, bytes);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) throwStatus(status, "read a commit mark", options_.directory);
  return decode(key, bytes.ToStringView(), options_.directory).number;
}

void CommitMarks::setUnknown(CommitId commit) {
  MutexLock hold(mutex_);
  unknown_.insert_or_assign(commit.process, commit.number);
}

std::uint64_t CommitMarks::secondsNow() const {
  const auto now = options_.clock->wallNow().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(now).count());
}

}  // namespace nephrite
