#include "journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

Journal::Journal(const std::filesystem::path& file)
    : descriptor_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) {
    throw std::system_error(errno, std::generic_category(), "opening " + file.string());
  }
  // A line that a kill has torn is closed, so that the next one stands alone.
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in || in.tellg() == std::streampos(0)) return;
  in.seekg(-1, std::ios::end);
  if (in.get() != '\n') [[maybe_unused]]
    const auto written = ::write(descriptor_, " torn\n", 6);
}

Journal::~Journal() { ::close(descriptor_); }

void Journal::acknowledged(const Entry& entry) {
  const std::string line =
      entry.package + " " + std::to_string(entry.number) + " " + entry.by + " .\n";
  if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::system_error(errno, std::generic_category(), "writing the journal");
  }
}

std::vector<Journal::Entry> Journal::read(const std::filesystem::path& file) {
  std::vector<Entry> entries;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Entry entry;
    std::string end;
    if (words >> entry.package >> entry.number >> entry.by >> end && end == ".") {
      entries.push_back(entry);
    }
  }
  return entries;
}
