#pragma once

// Private to node.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nephrite::wire {

/// A client takes messages of at least so many bytes, whatever MaxFrameSize its server has.
inline constexpr std::uint32_t kLeastClientFrame = 64u << 20;
/// What a message may have besides the one object that it is about.
inline constexpr std::uint32_t kRoomBesideObject = 4096;

/// What stands before each message. 24 bytes, little-endian: u32 length of the message, u32 magic
/// "NPH1", u64 sequence, u64 acknowledged.
///
/// Messages of a session are numbered from 1 in each direction; what concerns a connection alone
/// (Hello, Welcome, Refusal, Ping) has number 0. `acknowledged` is the number of the last message
/// of the session that came from the other side; in a numbered one of a server, the last that had
/// taken effect when it was said.
struct FrameHeader {
  static constexpr std::size_t kBytes = 24;
  static constexpr std::uint32_t kMagic = 0x3148504e;

  std::uint32_t length = 0;
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
};

/// A message in its frame.
struct Frame {
  FrameHeader header;
  std::vector<std::uint8_t> message;
};

/// A message where it was received.
struct FrameView {
  FrameView(const FrameHeader& of, std::span<const std::uint8_t> bytes)
      : header(of), message(bytes) {}
  // A Frame can be given where a FrameView is asked for.
  FrameView(const Frame& frame)  // NOLINT(google-explicit-constructor)
      : FrameView(frame.header, frame.message) {}

  FrameHeader header;
  std::span<const std::uint8_t> message;
};

/// Appends the frame of `message` to `bytes`.
void appendFrame(std::string& bytes, const FrameHeader& header, std::string_view message);
std::string frameBytes(const FrameHeader& header, std::string_view message);

/// Takes frames out of a stream of bytes.
///
/// Size:    holds at most one frame and what was received behind it. A length above `maxLength` is
///          refused before anything is allocated for it, and what is allocated grows with what has
///          come, not with what is announced.
/// Errors:  WireError (messages.h) for a wrong magic or length; the connection is then of no use.
/// Threads: one.
class FrameReader {
 public:
  explicit FrameReader(std::uint32_t maxLength) : maxLength_(maxLength) {}
  void setMaxLength(std::uint32_t maxLength) { maxLength_ = maxLength; }

  void append(std::span<const std::uint8_t> bytes);
  /// The next whole frame; empty until more has come.
  std::optional<Frame> next();
  /// The same without a copy: stays until the next call of append(), next() or nextInPlace().
  std::optional<FrameView> nextInPlace();
  std::size_t bytesHeld() const { return bytes_.size() - at_; }

 private:
  void dropTaken();

  std::uint32_t maxLength_;
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

/// One side of a session's stream of messages, over one connection after the other: what was sent
/// and not yet acknowledged is kept, so that a new connection can go on where the old one broke,
/// and what comes twice is dropped.
///
/// Threads: one at a time.
class SessionStream {
 public:
  /// `keepBytes`: at most so much is kept for a new connection; 0: nothing, ever.
  explicit SessionStream(std::size_t keepBytes) : keepBytes_(keepBytes) {}

  /// Numbers a message of the session: the header of its frame.
  FrameHeader number(std::string_view message) { return number(message, lastReceived_); }
  /// The same of a message that was made when `acknowledged` was the last that had come.
  FrameHeader number(std::string_view message, std::uint64_t acknowledged);
  /// The same, and its frame.
  std::string send(std::string_view message) { return frameBytes(number(message), message); }
  /// The header and the frame of a message of the connection.
  FrameHeader unnumbered() const { return {0, 0, lastReceived_}; }
  std::string sendUnnumbered(std::string_view message) const;

  enum class Arrival { New, Duplicate, Gap };
  /// What to do with a frame that came. Gap: the other side is confused; end the connection.
  Arrival received(const FrameHeader& header);
  std::uint64_t lastReceived() const { return lastReceived_; }
  std::uint64_t lastSent() const { return lastSent_; }
  /// The other side has received all up to this number.
  std::uint64_t acknowledged() const { return acknowledged_; }

  /// The frames that the other side, which has received up to `number`, still misses; empty when
  /// they are no longer kept.
  std::optional<std::vector<std::string>> missingAfter(std::uint64_t number);
  /// Could the other side go on now? Not when something that it has not acknowledged was too much
  /// to keep; when that has arrived all the same, it could again.
  bool keepsAll() const { return acknowledged_ >= droppedUpTo_; }
  /// For what is sent from now on.
  void setKeepBytes(std::size_t keepBytes) { keepBytes_ = keepBytes; }

 private:
  struct Sent {
    std::uint64_t number = 0;
    std::uint64_t acknowledged = 0;  // When it was made: what its maker had seen by then.
    std::size_t length = 0;          // Of its message, in `bytes_`.
  };
  std::size_t bytesKept() const { return bytes_.size() - at_ + kept_.size() * sizeof(Sent); }
  void forgetUpTo(std::uint64_t number);
  void forgetAll();

  std::size_t keepBytes_;
  std::uint64_t lastSent_ = 0;
  std::uint64_t lastReceived_ = 0;
  std::deque<Sent> kept_;
  std::string bytes_;   // Of their messages, one behind the other,
  std::size_t at_ = 0;  // from here on.
  std::uint64_t acknowledged_ = 0;
  std::uint64_t droppedUpTo_ = 0;  // Numbers that are not kept though nothing acknowledged them.
};

}  // namespace nephrite::wire
