#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "ini/settings.h"

namespace nephrite {

/// Given: an empty folder to put a jade.ini into; gone at the end.
class GivenAFolder : public testing::Test {
 protected:
  GivenAFolder() {
    std::string name = testing::TempDir() + "/iniXXXXXX";
    folder = ::mkdtemp(name.data());
    path = folder / "jade.ini";
  }
  ~GivenAFolder() override { std::filesystem::remove_all(folder); }

  void write(const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Resolution resolve(const std::string& text, const IniArguments& arguments = {}) const {
    write(text);
    return resolveSettings(IniFile::read(path, arguments), kMemory);
  }
  /// All problems, one on each line, without the folder.
  std::string problems(const Resolution& resolution) const {
    std::string all;
    for (const IniProblem& problem : resolution.problems) all += problem.describe() + "\n";
    for (auto at = all.find(folder.string()); at != std::string::npos;
         at = all.find(folder.string()))
      all.erase(at, folder.string().size() + 1);
    return all;
  }

  static constexpr std::uint64_t kMemory = std::uint64_t{6} << 30;
  std::filesystem::path folder;
  std::filesystem::path path;
};

}  // namespace nephrite
