#include "locking/lock_page.h"

#include <array>
#include <charconv>

#include "locking/lock_manager.h"

namespace nephrite {
namespace {

constexpr std::string_view kKinds = "?hwu";  // By LockCursor::Kind.

bool readHex(std::string_view& text, std::uint64_t& number) {
  if (text.empty() || text.front() != '.') return false;
  text.remove_prefix(1);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (read.ec != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  return true;
}

}  // namespace

std::string LockCursor::toString() const {
  if (kind == Kind::Beginning) return "";
  std::string text(1, kKinds[static_cast<std::size_t>(kind)]);
  for (const std::uint64_t number : {target.value, order, locker.value}) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    text.append(1, '.').append(digits.data(), end);
  }
  return text;
}

std::optional<LockCursor> LockCursor::parse(std::string_view text) {
  LockCursor cursor;
  if (text.empty()) return cursor;
  const std::size_t kind = kKinds.find(text.front(), 1);
  if (kind == std::string_view::npos) return std::nullopt;
  cursor.kind = static_cast<Kind>(kind);
  text.remove_prefix(1);
  const bool isRead = readHex(text, cursor.target.value) && readHex(text, cursor.order) &&
                      readHex(text, cursor.locker.value) && text.empty();
  return isRead ? std::optional(cursor) : std::nullopt;
}

LockPage listLocks(const LockManager& locks, const LockQuery& query, const LockCursor& after,
                   std::size_t most) {
  switch (query.subject) {
    case LockQuery::Subject::Held: return locks.locksHeld(after, most);
    case LockQuery::Subject::Queued: return locks.queuedRequests(after, most);
    case LockQuery::Subject::On: return locks.locksOn(query.target, after, most);
    case LockQuery::Subject::Of: return locks.locksOf(query.locker, after, most);
  }
  return {};
}

}  // namespace nephrite
