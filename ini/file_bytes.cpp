#include "ini/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ini/ini_problem.h"

namespace nephrite {
namespace {

constexpr std::size_t kMaxBytes = 16u << 20;

[[noreturn]] void fail(const char* tried, const std::filesystem::path& path, int error) {
  throw IniError(std::string("cannot ") + tried + " '" + path.string() +
                 "': " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

void writeAll(int fd, const std::string& bytes, const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("write", path, errno);
    done += static_cast<std::size_t>(wrote);
  }
}

}  // namespace

std::string readFileBytes(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT)
    throw IniFileMissing("error 125: there is no initialization file '" + path.string() +
                         "'; create it (it may be empty) or name another");
  if (file.get() < 0) fail("open the initialization file", path, errno);
  std::string bytes;
  char block[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read the initialization file", path, errno);
    if (got == 0) return bytes;
    bytes.append(block, static_cast<std::size_t>(got));
    if (bytes.size() > kMaxBytes)
      throw IniError("'" + path.string() + "' is larger than 16 MiB: is it an INI file?");
  }
}

void replaceFileBytes(const std::filesystem::path& path, const std::string& bytes) {
  std::error_code ignored;
  std::filesystem::path target = std::filesystem::canonical(path, ignored);
  if (target.empty()) target = path;
  struct stat before = {};
  if (::stat(target.c_str(), &before) != 0) fail("look at", target, errno);

  std::string temporary = target.string() + ".XXXXXX";
  const Descriptor file(::mkstemp(temporary.data()));
  if (file.get() < 0) fail("create a file beside", target, errno);
  try {
    // Owner before mode: chown clears set-id bits. Only root may give a file away.
    if (::fchown(file.get(), before.st_uid, before.st_gid) != 0 && errno != EPERM)
      fail("give its owner to", temporary, errno);
    if (::fchmod(file.get(), before.st_mode & 07777) != 0)
      fail("give its permissions to", temporary, errno);
    writeAll(file.get(), bytes, temporary);
    if (::fsync(file.get()) != 0) fail("sync", temporary, errno);
    if (::rename(temporary.c_str(), target.c_str()) != 0) fail("replace", target, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) fail("sync", folder, errno);
}

}  // namespace nephrite
