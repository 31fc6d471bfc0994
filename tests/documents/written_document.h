#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nephrite::documents {

/// From one character to before another.
struct Range {
  std::size_t begin = 0, end = 0;
  bool holds(Range other) const { return begin <= other.begin && other.end <= end; }
};

/// A document as one line of text, in which all blanks and ends of lines in a row are one blank: a
/// sentence is found however it is broken into lines.
class WrittenDocument {
 public:
  /// `name`: from the top of the tree.
  static WrittenDocument read(const std::string& name);
  WrittenDocument(std::string name, const std::string& text);

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  std::string textOf(Range range) const {
    return text_.substr(range.begin, range.end - range.begin);
  }
  /// "docs/wire.md:12: ...the words around it..."
  std::string show(Range range) const;

  /// The places where `words` stand.
  std::vector<Range> find(std::string_view words) const;
  /// The paragraph or table that begins with `words`; of a heading ("## Limits") all that it is the
  /// heading of. Empty: nothing begins so.
  Range part(std::string_view words) const;

  /// The numbers that promise something: those with a unit, those behind "at most", "up to" and
  /// their like, those of three digits or more, and all in a table's column "limit". In words, too:
  /// "a second after", "two thirds of". Not what stands in code or in where a link leads, and no
  /// numbers of versions and objects ("1.81", "2048.5").
  std::vector<Range> numbers() const;

 private:
  struct Line {
    std::size_t begin = 0;    ///< In text_.
    bool opensPart = false;   ///< What stands before it is blank, or a heading.
    std::size_t heading = 0;  ///< Its level; 0: it is none.
  };
  void addLine(const std::string& line);
  void addLimits(std::string_view row, std::size_t begin);

  std::string name_;
  std::string text_;
  std::string prose_;  ///< text_ with '`' for what is code or where a link leads.
  std::vector<Line> lines_;
  std::vector<Range> limits_;  ///< Cells.
  // While it is read.
  bool isCode_ = false, wasBlank_ = true;
  int limitColumn_ = -1;  ///< Of the table that is being read.
};

}  // namespace nephrite::documents
