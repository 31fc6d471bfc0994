#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "objects/disk/decode_error.h"

// Private to objects: the bytes of records. Fixed-size numbers are little-endian on every
// machine; varints are LEB128; signed varints are zigzag-coded.

namespace nephrite {

class ByteWriter {
 public:
  ByteWriter() = default;
  /// Writes in the place of what stands in `reused`.
  explicit ByteWriter(std::string reused) : bytes_(std::move(reused)) { bytes_.clear(); }

  void byte(std::uint8_t value) { bytes_ += static_cast<char>(value); }

  void fixed64(std::uint64_t value) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
    bytes_.append(bytes, sizeof(bytes));
  }

  void varint(std::uint64_t value) {
    if (value < 0x80) return byte(static_cast<std::uint8_t>(value));
    char bytes[10];
    std::size_t count = 0;
    for (; value >= 0x80; value >>= 7) bytes[count++] = static_cast<char>(value | 0x80);
    bytes[count++] = static_cast<char>(value);
    bytes_.append(bytes, count);
  }

  void signedVarint(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    varint((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0));
  }

  /// Its length, then its bytes.
  void text(std::string_view value) {
    varint(value.size());
    bytes_.append(value);
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what ByteWriter wrote. Never reads beyond the end: DecodeError instead.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t remaining() const { return bytes_.size() - at_; }

  std::uint8_t byte() {
    need(1);
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }

  std::uint64_t fixed64() {
    need(8);
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 8) value |= std::uint64_t{byte()} << shift;
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = byte();
      if (shift == 63 && next > 1) break;
      value |= std::uint64_t{next & 0x7Fu} << shift;
      if (next < 0x80) return value;
    }
    fail("a number has more than 64 bits");
  }

  std::int64_t signedVarint() {
    const std::uint64_t bits = varint();
    return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  }

  std::string_view text() {
    const std::uint64_t size = varint();
    need(size);
    const std::string_view value = bytes_.substr(at_, size);
    at_ += size;
    return value;
  }

  /// A count of things that take at least `bytesEach` bytes each.
  std::size_t count(std::size_t bytesEach) {
    const std::uint64_t value = varint();
    if (value > remaining() / bytesEach) fail("a count is larger than what follows");
    return value;
  }

  void expectEnd() const {
    if (remaining() != 0) fail("bytes are left over");
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw DecodeError(why + " at byte " + std::to_string(at_) + " of " +
                      std::to_string(bytes_.size()));
  }

 private:
  void need(std::uint64_t count) const {
    if (count > remaining()) fail("it is cut short");
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace nephrite
