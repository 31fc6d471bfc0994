#include "objects/disk/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

#include "base/mutex.h"
#include "objects/disk/store_error.h"

namespace nephrite {
namespace {

namespace fs = std::filesystem;
using Reason = StoreException::Reason;

/// Network file systems may offer no lock on a directory: then the lock file must do.
bool isNotOffered(int error) {
  return error == EBADF || error == EINVAL || error == ENOLCK || error == EOPNOTSUPP ||
         error == ENOSYS;
}

bool leadsNowhere(int error) {
  return error == ENOENT || error == ENOTDIR || error == ESTALE || error == ELOOP;
}

struct flock wholeFile() {
  struct flock all {};
  all.l_type = F_WRLCK;
  all.l_whence = SEEK_SET;
  return all;
}

}  // namespace

/// The directories that this program has locked, and the paths they were opened by. The mutex is
/// a leaf.
class StoreLock::Table {
 public:
  static Table& instance() {
    static Table* const table = new Table();  // Stores may outlive what is destroyed at the end.
    return *table;
  }

  /// False when it is there: `asOpened` is then the path that it was opened by.
  bool add(const Identity& directory, fs::path& asOpened) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    const auto [it, added] = paths_.emplace(directory, asOpened);
    if (!added) asOpened = it->second;
    return added;
  }
  void remove(const Identity& directory) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    paths_.erase(directory);
  }

 private:
  Mutex mutex_;
  std::map<Identity, fs::path> paths_ NEPHRITE_GUARDED_BY(mutex_);
};

StoreLock::StoreLock(const fs::path& directory) : asOpened_(directory) {
  openDirectory();
  try {
    lockDirectory();
    lockFile();
  } catch (...) {
    letGo();
    throw;
  }
  sayWhoHolds();
}

StoreLock::~StoreLock() {
  // An empty file names no holder. Not when the file is another program's by now.
  if (isLocked(fileDescriptor_)) (void)!::ftruncate(fileDescriptor_, 0);
  letGo();
}

void StoreLock::openDirectory() {
  std::error_code error;
  directory_ = fs::canonical(asOpened_, error);
  if (error) {
    directory_ = asOpened_;
    throwSystemError(error.value(), "find the store directory", directory_);
  }
  const int descriptor = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat found {};
  if (descriptor < 0 || ::fstat(descriptor, &found) != 0) {
    const int failure = errno;
    if (descriptor >= 0) ::close(descriptor);
    throwSystemError(failure, "open the store directory", directory_);
  }
  identity_ = {found.st_dev, found.st_ino};

  fs::path before = asOpened_;
  if (!Table::instance().add(identity_, before)) {
    ::close(descriptor);
    throw StoreException(
        Reason::InUse,
        "the store in " + directory_.string() + " is open in this program already" +
            (before == directory_ ? "" : ", as " + before.string()) +
            "; use that one, or close it first: it stays open as long as the program keeps its "
            "database or anything that was made of it (a Node, Process, Object, Collection)");
  }
  directoryDescriptor_ = descriptor;
}

void StoreLock::lockDirectory() {
  if (::flock(directoryDescriptor_, LOCK_EX | LOCK_NB) == 0 || isNotOffered(errno)) return;
  if (errno == EWOULDBLOCK) throwInUse();
  throwSystemError(errno, "lock the store directory", directory_);
}

// The file may be removed between its being opened and its being locked: then the lock is on a file
// that the next program does not find.
void StoreLock::lockFile() {
  do {
    if (fileDescriptor_ >= 0) ::close(fileDescriptor_);
    fileDescriptor_ =
        ::openat(directoryDescriptor_, kFile, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fileDescriptor_ < 0) throwSystemError(errno, std::string("open ") + kFile, directory_);
    struct flock all = wholeFile();
    if (::fcntl(fileDescriptor_, F_OFD_SETLK, &all) != 0) {
      const int failure = errno;
      if (failure != EAGAIN && failure != EACCES) {
        throwSystemError(failure, std::string("lock ") + kFile, directory_);
      }
      // A program that locks in the name of its process, not of an open file, can be named.
      struct flock holder = wholeFile();
      const bool known = ::fcntl(fileDescriptor_, F_OFD_GETLK, &holder) == 0 &&
                         holder.l_type != F_UNLCK && holder.l_pid > 0;
      throwInUse(known ? holder.l_pid : 0);
    }
    struct stat locked {};
    if (::fstat(fileDescriptor_, &locked) != 0)
      throwSystemError(errno, std::string("look at ") + kFile, directory_);
    file_ = {locked.st_dev, locked.st_ino};
  } while (!isLocked(fileDescriptor_));
}

/// Is the lock file still the one that was locked?
bool StoreLock::isLocked(int descriptor) const {
  struct stat found {};
  return descriptor >= 0 &&
         ::fstatat(directoryDescriptor_, kFile, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         Identity{found.st_dev, found.st_ino} == file_;
}

// A full disk is no reason not to open: then it is not said.
void StoreLock::sayWhoHolds() const {
  const std::string text =
      "process " + std::to_string(::getpid()) + " (" + program_invocation_short_name + ")\n";
  if (::ftruncate(fileDescriptor_, 0) != 0) return;
  if (::pwrite(fileDescriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    (void)!::ftruncate(fileDescriptor_, 0);
  }
}

void StoreLock::letGo() noexcept {
  if (fileDescriptor_ >= 0) ::close(fileDescriptor_);
  // A child process may have inherited the descriptor and not closed it yet.
  ::flock(directoryDescriptor_, LOCK_UN);
  ::close(directoryDescriptor_);
  Table::instance().remove(identity_);
}

void StoreLock::throwInUse(pid_t holder) const {
  std::string who = holder > 0 ? "process " + std::to_string(holder) : std::string();
  if (who.empty()) {
    std::array<char, 200> text{};
    const int file = ::openat(directoryDescriptor_, kFile, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const ssize_t bytes = file < 0 ? 0 : ::read(file, text.data(), text.size());
    if (file >= 0) ::close(file);
    if (bytes > 0) who.assign(text.data(), static_cast<std::size_t>(bytes));
    who.erase(std::min(who.find('\n'), who.size()));
  }
  throw StoreException(Reason::InUse, "the store in " + directory_.string() +
                                          " is open in another program" +
                                          (who.empty() ? "" : ": " + who) +
                                          "; end that program, or use another directory");
}

std::string StoreLock::whyGone() const {
  struct stat found {};
  if (::stat(directory_.c_str(), &found) != 0) {
    if (!leadsNowhere(errno)) return {};  // The next write meets it, and says more.
    const bool removed = ::fstat(directoryDescriptor_, &found) == 0 && found.st_nlink == 0;
    return directory_.string() + (removed ? " was removed" : " was moved");
  }
  if (Identity{found.st_dev, found.st_ino} != identity_) {
    return directory_.string() + " was replaced by another directory";
  }
  if (::fstatat(directoryDescriptor_, kFile, &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return leadsNowhere(errno) ? (directory_ / kFile).string() + " was removed" : std::string();
  }
  if (Identity{found.st_dev, found.st_ino} == file_) return {};
  return (directory_ / kFile).string() + " was replaced by another file";
}

}  // namespace nephrite
