#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// What was acknowledged, kept outside the store: one line for each commit that returned. The
/// oracle against which the store is checked.
class Journal {
 public:
  struct Entry {
    std::string package;
    int number = 0;  ///< Which upgrade of the package it was, from 1.
    std::string by;
  };

  explicit Journal(const std::filesystem::path& file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// One write(2): whole or, when the program is killed in it, a torn last line.
  void acknowledged(const Entry& entry);

  /// All whole lines of `file`; nothing when there is none.
  static std::vector<Entry> read(const std::filesystem::path& file);

 private:
  int descriptor_;
};
