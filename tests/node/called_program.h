#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace nephrite {

struct Ran {
  int status = -1;
  std::string output;  ///< Standard output and error together.
};

/// What a shell makes of `command`.
inline Ran called(const std::string& command) {
  Ran ran;
  FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part;
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe)) {
    ran.output.append(part.data(), got);
  }
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

/// The program as people call it.
inline Ran nephrite(const std::string& arguments) {
  return called(NEPHRITE_BINARY_DIR "/nephrite " + arguments);
}

}  // namespace nephrite
