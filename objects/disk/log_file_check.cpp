#include "objects/disk/log_file_check.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "objects/disk/store_error.h"

namespace nephrite {
namespace {

// The log format of RocksDB: blocks of 32 KiB; in them records of a checksum (4 bytes), the
// length of the data (2), a type (1), the data; less than a header's room at the end of a block
// is zeros. The checksum covers type and data: CRC-32C, rotated and offset.
constexpr std::size_t kBlockSize = 32768;
constexpr std::size_t kHeaderSize = 7;
constexpr std::uint8_t kLastType = 4;  // 1 to 4: full, first, middle, last.

using Crc32c = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;

std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

std::uint8_t byteAt(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

/// A record's place in a block, as its header tells it.
struct Header {
  std::uint32_t checksum;
  std::size_t length;
  std::uint8_t type;
};

std::optional<Header> headerAt(std::string_view block, std::size_t at) {
  if (block.size() - at < kHeaderSize) return std::nullopt;
  Header header{};
  for (int i = 3; i >= 0; --i) header.checksum = header.checksum << 8 | byteAt(block, at + i);
  header.length = byteAt(block, at + 4) | std::size_t{byteAt(block, at + 5)} << 8;
  header.type = byteAt(block, at + 6);
  return header;
}

bool fits(std::string_view block, std::size_t at, const Header& header) {
  return header.length <= block.size() - at - kHeaderSize;
}

bool isWhole(std::string_view block, std::size_t at, const Header& header) {
  if (header.type == 0 || header.type > kLastType || !fits(block, at, header)) return false;
  Crc32c crc;
  crc.process_bytes(block.data() + at + kHeaderSize - 1, header.length + 1);
  return masked(crc.checksum()) == header.checksum;
}

/// Is there a whole record at `at` if the header's length is not believed?
bool isWholeWithOtherLength(std::string_view block, std::size_t at, const Header& header) {
  Crc32c crc;
  crc.process_byte(header.type);
  for (std::size_t end = at + kHeaderSize; end < block.size(); ++end) {
    if (masked(crc.checksum()) == header.checksum) return true;
    crc.process_byte(byteAt(block, end));
  }
  return masked(crc.checksum()) == header.checksum;
}

bool anyWholeRecordBehind(std::string_view block, std::size_t at) {
  for (; at + kHeaderSize <= block.size(); ++at) {
    const Header header = *headerAt(block, at);
    if (header.length > 0 && isWhole(block, at, header)) return true;
  }
  return false;
}

bool allZero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

/// Walks the records of a block. The offset of the first that is not whole; empty if none.
std::optional<std::size_t> firstBroken(std::string_view block) {
  std::size_t at = 0;
  while (block.size() - at >= kHeaderSize) {
    const Header header = *headerAt(block, at);
    if (!isWhole(block, at, header)) return at;
    at += kHeaderSize + header.length;
  }
  if (allZero(block.substr(at))) return std::nullopt;
  return at;
}

/// May the broken record at `at` be one that a crash interrupted while it was written?
bool isInterrupted(std::string_view block, std::size_t at) {
  if (allZero(block.substr(at))) return true;
  const auto header = headerAt(block, at);
  if (!header) return true;
  if (fits(block, at, *header)) return false;  // All there, and yet not what was written.
  if (header->length > kBlockSize - at - kHeaderSize) return false;  // No record crosses blocks.
  return !isWholeWithOtherLength(block, at, *header) && !anyWholeRecordBehind(block, at + 1);
}

[[noreturn]] void throwBroken(const std::filesystem::path& file, std::uint64_t offset) {
  throwDamaged("log file " + file.string() + " has a broken record at byte offset " +
               std::to_string(offset) + " that no crash can explain");
}

}  // namespace

void checkLogFile(rocksdb::Env& env, const std::filesystem::path& file) {
  std::unique_ptr<rocksdb::SequentialFile> reader;
  rocksdb::Status status = env.NewSequentialFile(file.string(), &reader, rocksdb::EnvOptions());
  if (!status.ok()) throwOpenStatus(status, "read " + file.filename().string(), file.parent_path());

  std::string buffer(kBlockSize, '\0');
  std::optional<std::uint64_t> broken;  // Where records ended. Only zeros may follow.
  for (std::uint64_t start = 0;; start += kBlockSize) {
    rocksdb::Slice block;
    status = reader->Read(kBlockSize, &block, buffer.data());
    if (!status.ok()) throwStatus(status, "read " + file.filename().string(), file.parent_path());
    if (block.empty()) return;
    const std::string_view bytes(block.data(), block.size());
    if (broken) {
      if (!allZero(bytes)) throwBroken(file, *broken);
    } else if (const auto at = firstBroken(bytes)) {
      if (!isInterrupted(bytes, *at)) throwBroken(file, start + *at);
      broken = start + *at;
    }
    if (bytes.size() < kBlockSize) return;
  }
}

}  // namespace nephrite
