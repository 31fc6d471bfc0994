#include <variant>

#include "base/background_writer.h"
#include "base/log_limit.h"
#include "base/spin_lock.h"
#include "locking/table/lock_nodes.h"
#include "node/wire/messages.h"
#include "objects/object_store.h"
#include "tests/documents/claims.h"
#include "tests/documents/constants.h"

namespace nephrite::documents {
namespace {

const char* const kSessions = "docs/decisions/0009-sessions-own-locks.md";
const char* const kOneThread = "docs/decisions/0010-one-thread-serves.md";
const char* const kSpin = "docs/decisions/0011-no-spin-by-default.md";
const char* const kFastPath = "docs/decisions/0012-a-fast-path-beside-the-table.md";
const char* const kReading = "docs/decisions/0014-who-waits-reads.md";
const char* const kRetained = "docs/decisions/0015-retained-locks.md";
const char* const kLog = "docs/decisions/0018-nobody-waits-for-the-log.md";

std::vector<Claim> ofLocksThatStayNear() {
  const std::string table = "locking/table/";
  const std::int64_t beside = hidden(table + "hold_table.h", "kMostBesideRetainable");
  const std::int64_t memory = hidden(table + "hold_memory.h", "kMostReserved");
  return {
      says(kRetained, "at most {} processors",
           1 << hidden(table + "grant_clock.h", "kMostProcessorBits")),
      says(kRetained, "if at most {} others stand at its object", beside),
      says(kRetained, "the mutexes of up to {} readers", beside + 1),
      says(kRetained, "It has {} places, and grows to {} where",
           1 << hidden(table + "hold_memory.h", "kFewBits"),
           grouped(1 << hidden(table + "hold_memory.h", "kMostBits"))),
      says(kRetained, "for all lockers together to {}.",
           memory == 1 << 20 ? "a mebibyte" : mebibytes(memory)),
      says(kRetained,
           "retains nothing for its next {} releases, then {} times as many each time, up to a {}:",
           numberIn(table + "locker.h", R"(retentionPause_ .* = (\d+);)"),
           inWords(numberIn(table + "locker.h", R"(retentionPause_ \* (\d+),)")),
           inWords(hidden(table + "locker.h", "kMostRetentionPause"))),
      says(kRetained, "a locker with more than {} chunks",
           hidden(table + "locker.h", "kMostChunksWithRetained")),
  };
}

}  // namespace

std::vector<Claim> claimsOfDecisions() {
  const std::string carrier = "node/client/asio_carrier.cpp";
  std::vector<Claim> all{
      says("docs/decisions/0008-flatbuffers.md", "There are {} kinds of message",
           std::variant_size_v<wire::FromClient> + std::variant_size_v<wire::FromServer>),
      says(kSessions, "a random key of {} bits", bits(sizeof(wire::SessionKey))),
      says(kSessions, "It is kept for {} days", days(ObjectStore::Options{}.keepOutcomes)),
      says(kOneThread, "reads no more than {} ahead",
           mebibytes(hidden("node/server/server_session.h", "kMostWaiting"))),
      says(kSpin, "at most {} microseconds", grouped(mostOf("NephriteServer", "SpinTime"))),
      says(kSpin, "at most {} microseconds", grouped(mostOf("NephriteClient", "SpinTime"))),
      says(kFastPath, "all holds in {} segments, each with a spin lock of {} bytes",
           hidden("locking/table/table_walk.h", "kSegments"), inWords(sizeof(SpinLock))),
      says(kFastPath, "A hold is {} bytes.", sizeof(lock_table::Hold)),
      says(kFastPath, "a clock that is up to about {} ms behind", roughTime()),
      says(kReading,
           "After {} ms, and as long as callers keep coming twice as long each time up to {},",
           hidden(carrier, "kFirstIdle"), hidden(carrier, "kLongestIdle")),
      says(kReading, "after up to {} ms by one that has just stopped asking", longestUnread()),
      says(kReading, "what follows within {} us is sent", hidden(carrier, "kInARow")),
      says(kReading, "wakes every {} ms while", hidden(carrier, "kLongestIdle")),
      says(kLog, "from a queue of {}.", mebibytes(BackgroundWriter::Options{}.mostBytes)),
      says(kLog, "is written a {} times at once, then once {}", inWords(LogLimit::kBurst),
           aSecond(std::chrono::seconds(1) / LogLimit::kEach)),
      says(kLog, "its first {} lines", inWords(LogLimit::kBurst)),
  };
  for (const char* const end : {"base/log.cpp", "base/check.cpp"}) {
    all.push_back(says(kLog, "wait at most {} for what is queued",
                       aSecond(numberIn(end, R"(flushLog\(std::chrono::seconds\((\d+)\)\))"))));
  }
  std::ranges::move(ofLocksThatStayNear(), std::back_inserter(all));
  return all;
}

}  // namespace nephrite::documents
