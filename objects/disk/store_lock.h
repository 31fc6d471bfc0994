#pragma once

#include <sys/types.h>

#include <compare>
#include <filesystem>
#include <string>

namespace nephrite {

/// Private to objects. The right to write in one directory: at any time one store has it, whatever
/// path it was opened by.
///
/// Shape:   the directory is known by its device and inode, so links, mounts and other spellings
///          of its path are the same one. It is locked three times over:
///          - in a table of this program, which also says by which path it was opened;
///          - by flock() on a descriptor of the directory itself. That lock belongs to the
///            descriptor: it goes with the program, and no file that anybody removes, copies or
///            closes takes it away;
///          - by a lock of the open file (F_OFD_SETLK) on NEPHRITE.lock in it. It keeps out
///          programs
///            that know no better, and other machines where flock() on a directory is not offered.
///            The file says which program holds it, for the message to the next one.
/// Errors:  StoreException: InUse, Io.
/// Threads: any, once made.
class StoreLock {
 public:
  /// The directory must exist.
  explicit StoreLock(const std::filesystem::path& directory);
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  /// Absolute and without links: stays right when the program changes its working directory.
  const std::filesystem::path& directory() const { return directory_; }

  /// What has become of the directory or the lock file since, when its path leads elsewhere:
  /// "/data/orders was moved". Empty while all is as it was. Asks the file system, twice.
  std::string whyGone() const;

  static constexpr const char* kFile = "NEPHRITE.lock";

 private:
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    friend auto operator<=>(const Identity&, const Identity&) = default;
  };
  class Table;

  void openDirectory();
  void lockDirectory();
  void lockFile();
  bool isLocked(int descriptor) const;
  void sayWhoHolds() const;
  void letGo() noexcept;
  [[noreturn]] void throwInUse(pid_t holder = 0) const;

  const std::filesystem::path asOpened_;
  std::filesystem::path directory_;
  Identity identity_;
  Identity file_;
  int directoryDescriptor_ = -1;
  int fileDescriptor_ = -1;
};

}  // namespace nephrite
