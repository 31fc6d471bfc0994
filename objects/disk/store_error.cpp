#include "objects/disk/store_error.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>

namespace nephrite {
namespace {

using Reason = StoreException::Reason;

std::string failed(const std::string& tried, const std::filesystem::path& path,
                   const std::string& why) {
  return "could not " + tried + " in " + path.string() + ": " + why;
}

[[noreturn]] void throwFull(const std::string& message) {
  throw StoreException(Reason::Io,
                       message + "; the disk is full: make room on it, then open the store again");
}

/// Are its keys in another order, or does it have other column families? RocksDB calls other things
/// an invalid argument too, such as a disk that could not be read when it was tried.
bool isForeign(const rocksdb::Status& status) {
  if (!status.IsInvalidArgument()) return false;
  const std::string words = status.ToString();
  return words.find("omparator") != std::string::npos ||
         words.find("olumn famil") != std::string::npos;
}

}  // namespace

void throwDamaged(const std::string& what) {
  throw StoreException(Reason::Damaged,
                       what +
                           "; the store is damaged. Nothing was changed. Keep a copy of the "
                           "directory and restore the store from a backup (docs/store.md)");
}

void throwStatus(const rocksdb::Status& status, const std::string& tried,
                 const std::filesystem::path& path) {
  const std::string message = failed(tried, path, status.ToString());
  if (status.IsCorruption()) throwDamaged(message);
  if (status.IsNoSpace()) throwFull(message);
  throw StoreException(Reason::Io, message +
                                       "; check the disk and the permissions of the "
                                       "directory, then open the store again");
}

void throwSystemError(int error, const std::string& tried, const std::filesystem::path& path) {
  const std::string message = failed(tried, path, std::generic_category().message(error));
  if (error == ENOSPC || error == EDQUOT) throwFull(message);
  constexpr int kOfThePath[] = {EACCES, EPERM, EROFS, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EISDIR};
  const bool isNotUsable =
      std::find(std::begin(kOfThePath), std::end(kOfThePath), error) != std::end(kOfThePath);
  throw StoreException(isNotUsable ? Reason::NotUsable : Reason::Io,
                       message + "; check the path and its permissions");
}

void throwOpenStatus(const rocksdb::Status& status, const std::string& tried,
                     const std::filesystem::path& path) {
  const std::string message = failed(tried, path, status.ToString());
  if (status.IsNotFound() || status.IsPathNotFound()) throwDamaged(message);
  if (status.IsNotSupported() || isForeign(status)) {
    throw StoreException(Reason::WrongFormat,
                         message +
                             "; it was written by another program or a newer version: open "
                             "it with that");
  }
  throwStatus(status, tried, path);
}

}  // namespace nephrite
