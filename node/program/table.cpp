#include "node/program/table.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ostream>

#include "base/plain_text.h"

namespace nephrite {
namespace {

// Characters, not bytes: names are UTF-8.
std::size_t lengthOf(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & '\xC0') != '\x80'; }));
}

std::string cut(std::string line, std::size_t width) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (width == 0 || lengthOf(line) <= width) return line;
  std::size_t at = 0;
  for (std::size_t characters = 0; at < line.size(); ++at) {
    if ((line[at] & '\xC0') != '\x80' && ++characters > width) break;
  }
  return line.substr(0, at);
}

std::tm utc(WallTime time) {
  return fmt::gmtime(
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time)));
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = plainText(cell);
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out, std::size_t width) const {
  std::vector<std::size_t> widths;
  print(out, width, true, widths);
}

void Table::printPart(std::ostream& out, std::size_t width) {
  print(out, width, widths_.empty(), widths_);
  rows_.clear();
}

void Table::print(std::ostream& out, std::size_t width, bool headed,
                  std::vector<std::size_t>& widths) const {
  widths.resize(headings_.size());
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    widths[i] = std::max(widths[i], lengthOf(headings_[i]));
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], lengthOf(row[i]));
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i] + std::string(widths[i] - lengthOf(cells[i]) + 2, ' ');
    }
    out << cut(std::move(text), width) << '\n';
  };
  const bool hasHeadings = std::any_of(headings_.begin(), headings_.end(),
                                       [](const std::string& text) { return !text.empty(); });
  if (headed && hasHeadings) line(headings_);
  for (const auto& row : rows_) line(row);
}

std::string spanText(Duration span) {
  const double seconds = std::chrono::duration<double>(span).count();
  if (seconds < 1) {
    return fmt::format("{} ms",
                       std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
  }
  if (seconds < 100) return fmt::format("{:.1f} s", seconds);
  if (seconds < 6'000) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{:.1f} h", seconds / 3'600);
  return fmt::format("{:.0f} d", seconds / 86'400);
}

std::string timeText(WallTime time, WallTime now) {
  using std::chrono::floor;
  const bool today = floor<std::chrono::days>(time) == floor<std::chrono::days>(now);
  return today ? fmt::format("{:%H:%M:%S}", utc(time))
               : fmt::format("{:%Y-%m-%d %H:%M:%S}", utc(time));
}

std::string isoText(WallTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(time) - whole;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", utc(time), rest.count());
}

}  // namespace nephrite
