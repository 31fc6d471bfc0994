#include <algorithm>
#include <bit>
#include <iterator>

#include "base/background_writer.h"
#include "base/log_limit.h"
#include "ini/server_node_specification.h"
#include "locking/lock_manager.h"
#include "locking/lock_request.h"
#include "locking/lock_timeout.h"
#include "node/schedule/schedule.h"
#include "node/server/server_sessions.h"
#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"
#include "objects/disk/rocks_log.h"
#include "objects/object_store.h"
#include "objects/oid.h"
#include "runtime/database/resource_names.h"
#include "runtime/database/sign_on_names.h"
#include "runtime/process/handler_stack.h"
#include "tests/documents/claims.h"
#include "tests/documents/constants.h"

namespace nephrite::documents {
namespace {

std::vector<Claim> ofLocking() {
  const char* const it = "docs/locking.md";
  const std::string most = grouped(LockTerms::kMostLevel);
  return {
      says(it, "of [JadeServer], {}.", grouped(defaultOf("JadeServer", "ServerTimeout"))),
      says(it, "in at most {} bytes. A process signs on", kMostFaceOwnerBytes),
      says(it, "on a client node; {}. A node's own",
           grouped(defaultOf("JadeServer", "BackgroundProcessServerTimeout"))),
      says(it, "on a client node; {}. A node's own",
           grouped(defaultOf("JadeClient", "BackgroundProcessServerTimeout"))),
      says(it, "| {} LockTimeout_Infinite | that many ms (about {} days)", LockTimeout::kInfinite,
           fmt::format("{:.1f}", LockTimeout::kInfinite / 86'400'000.0)),
      says(it, "and up to {} ms more just after the node's threads have stopped asking",
           longestUnread()),
      says(it, "Of more than {} states one in the other, the lock table counts {}", most, most),
      says(it, "goes when the {} ends", most + "rd"),
      says(it, "A family has at most {} generations", LockManager::kMostDepth),
      says(it, "Its path has at most {} names", LockManager::kMostPlaces),
      says(it, "may carry a **lease**: 1 to {} ms", LeaseTerms::kLongest.count()),
      says(it, "Any string of 1 to {} bytes names", grouped(NamedResource::kMostBytes)),
      says(it, "at most `WritePatience` ({} ms", defaultOf("NephriteLocks", "WritePatience")),
      says(it, "`LimitWarning` (percent, {})", defaultOf("NephriteLocks", "LimitWarning")),
  };
}

std::vector<Claim> ofErrors() {
  const char* const it = "docs/errors.md";
  return {
      says(it, "At most {} at one level", HandlerStack::kMaxAtOneLevel),
      says(it, "more than {} generations", LockManager::kMostDepth),
      says(it, "a code of its own: {}, the file is missing",
           hidden("ini/ini_problem.h", "kErrorCode")),
  };
}

std::vector<Claim> ofOperating() {
  const char* const it = "docs/operating.md";
  const ServerLimits limits;
  const std::int64_t mode = numberIn("node/server/socket_server.cpp", R"(mkdir\(.*, (0\d+)\))");
  const std::int64_t again = hidden("node/server/audit_log.cpp", "kTriedAgainAfter");
  const std::int64_t each = std::chrono::seconds(1) / LogLimit::kEach;
  return {
      says(it, "that its user alone can enter ({})", fmt::format("0{:o}", mode)),
      says(it, "is tried again {}", again == 1 ? "each second" : std::to_string(again)),
      says(it, "tells the truth for {} days", days(ObjectStore::Options{}.keepOutcomes)),
      says(it, "the client, {} after the request's own timeout", aSecond(answerSlack())),
      says(it, "after {} of `KeepAliveTimeout` (15 s) the log says",
           part(limits.slowAfter().count(), limits.keepAlive.count())),
      says(it, "unsent for {} of it",
           part(limits.tooSlowAfter().count(), limits.keepAlive.count())),
      says(it, "the newest lines are kept, up to {}",
           mebibytes(BackgroundWriter::Options{}.mostBytes)),
      says(it, "{} or {} when it cannot be executed",
           numberIn("node/program/running_command.cpp", R"(ENOENT \? \d+ : (\d+))"),
           numberIn("node/program/running_command.cpp", R"(ENOENT \? (\d+))")),
      says(it, "after `--grace` ({} s) SIGKILL",
           numberIn("node/program/lock_command.h", R"(grace\{(\d+)'000\})")),
      says(it, "a lease, renewed at {} of its length",
           part(1, hidden("node/program/lock_command.cpp", "kRenewalsInALease"))),
      says(it, "(a {} at once, then one {})", inWords(LogLimit::kBurst), aSecond(each)),
  };
}

std::vector<Claim> ofStore() {
  const char* const it = "docs/store.md";
  return {
      says(it, "at most {} files of {}", hidden("objects/disk/rocks_database.cpp", "kInfoLogFiles"),
           mebibytes(RocksLog::kMostBytes)),
      says(it, "in blocks of {}, so that",
           hidden("objects/disk/rocks_store.cpp", "kNumbersPerBlock")),
      says(it, "`keepOutcomes`, {} days by default", days(ObjectStore::Options{}.keepOutcomes)),
  };
}

std::vector<Claim> ofSchedules() {
  const char* const it = "docs/schedule.md";
  std::vector<Claim> all{
      says(it, "the clock of a schedule ends at {} ms", ScheduleReader::kLastInstant),
      says(it, "names with `/` between them, at most {}", ObjectLine::kMostNames),
      says(it, "A name in a path is 1 to {} bytes", ObjectLine::kLongestName),
      says(it, "whole numbers of {} bits with a sign", bits(sizeof LockTimeout::kInfinite)),
  };
  for (const char* const name : {"ServerTimeout", "BackgroundProcessServerTimeout"}) {
    all.push_back(says(it, "| `" + std::string(name) + "` | ms, at least {} | {} |",
                       parameter("JadeServer", name).range.least, defaultOf("JadeServer", name)));
  }
  return all;
}

std::vector<Claim> ofTheWire() {
  const char* const it = "docs/wire.md";
  const std::int64_t instanceBits = std::bit_width(Oid::kMaxInstance);
  const std::int64_t classBits = bits(sizeof(Oid::ClassNumber));
  const std::int64_t age = years(hidden("node/wire/reader.cpp", "kLongAgo"));
  const std::string reader = "node/wire/reader.h";
  return {
      says(it, "A frame is a header of {} bytes", wire::FrameHeader::kBytes),
      says(it, "has said or heard nothing for {} of KeepAliveTimeout", part(1, pingsInASilence())),
      says(it, "The key is {} random bits", bits(sizeof(wire::SessionKey))),
      says(it, "A list of locks has at most {}.",
           grouped(hidden("node/server/server_session.cpp", "kMostInOneReply"))),
      says(it, "A page has at most {} locks",
           grouped(hidden("node/server/server_session.cpp", "kMostInPage"))),
      says(it, "a `LockGrant` of {} bytes", sizeof(fb::LockGrant)),
      says(it, "An Oid is its {} bits: lifetime {}, class number {}, instance {}.",
           bits(sizeof(Oid)), bits(sizeof(Oid)) - classBits - instanceBits, classBits,
           instanceBits),
      says(it,
           "`ShortLock` of {} bytes (a `Lock`), `ShortUnlock` of {} (an `Unlock`), and "
           "`ShortGrant` of {} (a",
           sizeof(fb::ShortLock), sizeof(fb::ShortUnlock), sizeof(fb::ShortGrant)),
      says(it,
           "is a `ShortLockAll` of {} bytes and {} for each object, its grants a `ShortGrants` "
           "of {} bytes and {} for each",
           sizeof(fb::ShortLockAll), sizeof(fb::ShortTarget), sizeof(fb::ShortGrants),
           sizeof(fb::ShortToken)),
      says(it, "The first {} bytes are the kind, a number of {} or more",
           inWords(sizeof(fb::ShortKind)), hidden("node/wire/short_messages.cpp", "kLeastKind")),
      says(it, "More than {} times the message's length and {} is refused",
           hidden(reader, "kTimesItsLength"), kibibytes(hidden(reader, "kInAnyCase"))),
      says(it, "one of more than {} years for {} years", age, age),
  };
}

std::vector<Claim> ofTheWiresLimits() {
  const char* const it = "docs/wire.md";
  const ServerLimits limits;
  return {
      says(it, "| a message to a client | {}, or MaxFrameSize", mebibytes(wire::kLeastClientFrame)),
      says(it, "| an object | MaxFrameSize less {} |", kibibytes(wire::kRoomBesideObject)),
      says(it, "| a message of any kind | {} GiB |",
           (std::int64_t{FLATBUFFERS_MAX_BUFFER_SIZE} + 1) >> 30),
      says(it, "at the server | {}, then further messages wait | SlowReaderWarning |",
           mebibytes(defaultOf("NephriteServer", "SlowReaderWarning"))),
      says(it, "for {} of KeepAliveTimeout | {}, then the session ends | SlowReaderLimit",
           part(limits.tooSlowAfter().count(), limits.keepAlive.count()),
           mebibytes(defaultOf("NephriteServer", "SlowReaderLimit"))),
      says(it, "of a session | {} each | MaxProcessesPerSession",
           defaultOf("NephriteServer", "MaxProcessesPerSession")),
      says(it, "that are not answered | {} |", limits.maxRequestsPerSession),
      says(it, "locks in one `LockAll` | {} |",
           hidden("node/server/session_locks.cpp", "kMostLocksAtOnce")),
      says(it, "users, hosts, programs | {} bytes |", kMostNameBytes),
      says(it, "what a face calls its owner | {} bytes |", kMostFaceOwnerBytes),
      says(it, "the reason of a `Force` | {} bytes |", kMostReasonBytes),
      says(it, "depth of a message | {} tables |", hidden("node/wire/reader.h", "kDepth")),
      says(it, "| resources that a client uses at a time | {} |",
           hidden("node/server/session_resources.cpp", "kMostResources")),
      says(it, "| the name of a resource | {} bytes |", NamedResource::kMostBytes),
      says(it, "have a `lease`: 1 to {} ms;", LeaseTerms::kLongest.count()),
      says(it, "There are versions {} to {}.", wire::kLeastVersion, wire::kVersion),
  };
}

// Its tables are written by the program, and compared with it as a whole.
std::vector<Claim> ofIniFiles() {
  const char* const it = "docs/ini.md";
  return {
      says(it, "A missing file is error {}.", hidden("ini/ini_problem.h", "kErrorCode")),
      says(it, "powers of {}.", numberIn("ini/ini_value.cpp", R"(bytes % (\d+) == 0)")),
      says(it, "no dot and at most {} characters", hidden("ini/ini_parser.cpp", "kMaxIdLength")),
      says(it, "The file has at most {}.", mebibytes(hidden("ini/file_bytes.cpp", "kMaxBytes"))),
      says(it, "at most {} bytes long", kSocketPathBytes),
      says(it, "its port is a number from 1 to {}", mostOf("NephriteServer", "Port")),
  };
}

std::vector<Claim> ofAllOthers() {
  const std::string sizes = "tests/tidy/size_test.cpp";
  const std::int64_t types = numberIn("locking/table/lock_nodes.h", R"(chain\.tag\(\) & (\d+)\))");
  return {
      says("docs/ARCHITECTURE.md", "at the latest {} after its own timeout",
           aSecond(answerSlack())),
      says("docs/ARCHITECTURE.md", "forgets what was read {} ms ago", roughTime()),
      says("docs/ARCHITECTURE.md", "`roughNow()` (up to {} ms behind)", roughTime()),
      says("docs/ARCHITECTURE.md", "more than {} processes share one object",
           inWords(hidden("locking/table/hold_table.h", "kMostBesideRetainable") + 1)),
      says("docs/STYLE.md", "A function past {} lines",
           numberIn(".clang-tidy", R"(function-size\.LineThreshold, value: (\d+))")),
      says("CONTRIBUTING.md",
           "sources stay within {} lines, headers within {}, folders within {} "
           "things, lines within {} columns",
           hidden(sizes, "kSourceLines"), hidden(sizes, "kHeaderLines"),
           hidden(sizes, "kFilesInFolder"), hidden(sizes, "kColumns")),
      says("CHANGELOG.md", "processes and users have at most {} bytes", kMostNameBytes),
      says("locking/README.md", "a `Hold` has {} bits for it",
           inWords(std::bit_width(static_cast<std::uint64_t>(types)))),
      says("node/service/README.md", "`WATCHDOG=1` at least every {} seconds",
           hidden("node/program/server_command.cpp", "kStatusEvery") / 1000),
  };
}

}  // namespace

std::vector<Claim> claimsOfDocuments() {
  std::vector<Claim> all;
  for (const auto& of : {ofLocking, ofErrors, ofOperating, ofStore, ofSchedules, ofTheWire,
                         ofTheWiresLimits, ofIniFiles, ofAllOthers}) {
    std::ranges::move(of(), std::back_inserter(all));
  }
  return all;
}

}  // namespace nephrite::documents
