#include "node/wire/frame.h"

#include <algorithm>
#include <array>
#include <boost/endian/conversion.hpp>

#include "node/wire/messages.h"

namespace nephrite::wire {
namespace {

using boost::endian::load_little_u32;
using boost::endian::load_little_u64;

}  // namespace

void appendFrame(std::string& bytes, const FrameHeader& header, std::string_view message) {
  std::array<unsigned char, FrameHeader::kBytes> head{};
  boost::endian::store_little_u32(head.data(), static_cast<std::uint32_t>(message.size()));
  boost::endian::store_little_u32(head.data() + 4, FrameHeader::kMagic);
  boost::endian::store_little_u64(head.data() + 8, header.sequence);
  boost::endian::store_little_u64(head.data() + 16, header.acknowledged);
  bytes.append(reinterpret_cast<const char*>(head.data()), head.size());
  bytes.append(message);
}

std::string frameBytes(const FrameHeader& header, std::string_view message) {
  std::string bytes;
  bytes.reserve(FrameHeader::kBytes + message.size());
  appendFrame(bytes, header, message);
  return bytes;
}

// --- FrameReader ---------------------------------------------------------------------------------

void FrameReader::append(std::span<const std::uint8_t> bytes) {
  dropTaken();
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void FrameReader::dropTaken() {
  if (at_ == bytes_.size()) {
    bytes_.clear();
    at_ = 0;
    // An idle session costs little.
    if (bytes_.capacity() > std::size_t{64} * 1024) bytes_.shrink_to_fit();
  } else if (at_ > bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }
}

std::optional<FrameView> FrameReader::nextInPlace() {
  if (bytesHeld() < FrameHeader::kBytes) {
    dropTaken();
    return std::nullopt;
  }
  const std::uint8_t* const at = bytes_.data() + at_;
  FrameHeader header;
  header.length = load_little_u32(at);
  if (load_little_u32(at + 4) != FrameHeader::kMagic) {
    throw WireError("the other side does not speak Nephrite's protocol (wrong magic)");
  }
  if (header.length > maxLength_) {
    throw WireError("a message of " + std::to_string(header.length) +
                    " bytes is longer than the limit of " + std::to_string(maxLength_));
  }
  if (bytesHeld() < FrameHeader::kBytes + header.length) return std::nullopt;
  header.sequence = load_little_u64(at + 8);
  header.acknowledged = load_little_u64(at + 16);
  at_ += FrameHeader::kBytes + header.length;
  return FrameView(header, {at + FrameHeader::kBytes, header.length});
}

std::optional<Frame> FrameReader::next() {
  const auto frame = nextInPlace();
  if (!frame) return std::nullopt;
  return Frame{frame->header, {frame->message.begin(), frame->message.end()}};
}

// --- SessionStream -------------------------------------------------------------------------------

FrameHeader SessionStream::number(std::string_view message, std::uint64_t acknowledged) {
  const std::uint64_t number = ++lastSent_;
  if (keepBytes_ > 0) {
    kept_.push_back({number, acknowledged, message.size()});
    bytes_ += message;
    if (bytesKept() > keepBytes_) {
      droppedUpTo_ = number;
      forgetAll();
    }
  }
  return {0, number, acknowledged};
}

std::string SessionStream::sendUnnumbered(std::string_view message) const {
  return frameBytes(unnumbered(), message);
}

SessionStream::Arrival SessionStream::received(const FrameHeader& header) {
  if (header.acknowledged > lastSent_) return Arrival::Gap;  // It claims what was never sent.
  forgetUpTo(header.acknowledged);
  if (header.sequence == 0) return Arrival::New;
  if (header.sequence <= lastReceived_) return Arrival::Duplicate;
  if (header.sequence != lastReceived_ + 1) return Arrival::Gap;
  ++lastReceived_;
  return Arrival::New;
}

void SessionStream::forgetUpTo(std::uint64_t number) {
  acknowledged_ = std::max(acknowledged_, number);
  while (!kept_.empty() && kept_.front().number <= number) {
    at_ += kept_.front().length;
    kept_.pop_front();
  }
  if (kept_.empty()) {
    forgetAll();
  } else if (at_ > bytes_.size() / 2) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
}

void SessionStream::forgetAll() {
  constexpr std::size_t kSpare = 2048;  // An idle session costs little.
  kept_.clear();
  bytes_.clear();
  if (bytes_.capacity() > kSpare) bytes_.shrink_to_fit();
  at_ = 0;
}

std::optional<std::vector<std::string>> SessionStream::missingAfter(std::uint64_t number) {
  if (number > lastSent_) return std::nullopt;  // It claims what was never sent.
  forgetUpTo(number);
  if (number + kept_.size() != lastSent_) return std::nullopt;
  std::vector<std::string> frames;
  std::string_view rest = std::string_view(bytes_).substr(at_);
  for (const Sent& sent : kept_) {
    frames.push_back(frameBytes({0, sent.number, sent.acknowledged}, rest.substr(0, sent.length)));
    rest.remove_prefix(sent.length);
  }
  return frames;
}

}  // namespace nephrite::wire
