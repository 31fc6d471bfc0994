#pragma once

// Private to node.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/clock.h"

namespace nephrite {

/// Rows of text under headings (none when they are all empty), in columns as wide as what stands in
/// them.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  /// One cell for each heading, shown as plainText(): a name may hold what moves the cursor.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  const std::vector<std::string>& headings() const { return headings_; }

  /// Lines of at most `width` characters (the rest is cut off); 0: as long as they are.
  void print(std::ostream& out, std::size_t width) const;
  /// The same, of rows that go then. Those of the next part come without headings, in columns that
  /// are never narrower.
  void printPart(std::ostream& out, std::size_t width);

 private:
  void print(std::ostream& out, std::size_t width, bool headed,
             std::vector<std::size_t>& widths) const;

  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;  // Of the parts so far.
};

/// "12 ms", "3.2 s", "5 min", "4.5 h", "3 d".
std::string spanText(Duration span);
/// "14:02:11" today, "2026-11-24 14:02:11" before; UTC.
std::string timeText(WallTime time, WallTime now);
/// "2026-11-24T14:02:11.123Z".
std::string isoText(WallTime time);

}  // namespace nephrite
