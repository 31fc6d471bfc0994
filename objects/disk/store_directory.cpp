#include "objects/disk/store_directory.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <system_error>

#include "objects/disk/log_file_check.h"
#include "objects/disk/store_error.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;

constexpr const char* kMarker = "NEPHRITE";
constexpr const char* kNewMarker = "NEPHRITE.new";
constexpr std::string_view kFormatName = "Nephrite object store, format ";
constexpr std::string_view kFormatVersion = "1\n";

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool isWriteAheadLog(std::string_view name) {
  return name.ends_with(".log") &&
         name.find_first_not_of("0123456789") == name.size() - std::string_view(".log").size();
}

/// `path`, where there is a directory now.
const std::filesystem::path& made(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return path;
  throwSystemError(error.value(), "make the store directory", path);
}

}  // namespace

StoreDirectory::StoreDirectory(const std::filesystem::path& path, rocksdb::Env& env)
    : lock_(made(path)), env_(env) {}

bool StoreDirectory::prepare() {
  std::vector<std::string> children;
  const rocksdb::Status status = env_.GetChildren(path().string(), &children);
  if (!status.ok()) throwStatus(status, "list the files", path());
  for (const char* name : {".", "..", StoreLock::kFile}) std::erase(children, name);

  if (!contains(children, kMarker)) {
    startMaking(children);
    return true;
  }
  checkMarker();
  checkFiles(children);
  return false;
}

void StoreDirectory::checkMarker() const {
  const std::filesystem::path file = path() / kMarker;
  std::string text;
  const rocksdb::Status status = rocksdb::ReadFileToString(&env_, file.string(), &text);
  if (!status.ok()) throwStatus(status, std::string("read ") + kMarker, path());
  if (text == std::string(kFormatName) + std::string(kFormatVersion)) return;
  const std::string why =
      text.starts_with(kFormatName)
          ? "names a format that this program does not know: use the program that wrote it"
          : "is not that of a Nephrite object store: name another directory, or restore the store "
            "from a backup (docs/store.md)";
  throw StoreException(Reason::WrongFormat, "the format marker " + file.string() + " " + why);
}

void StoreDirectory::checkFiles(const std::vector<std::string>& children) const {
  if (!contains(children, "CURRENT")) throwDamaged((path() / "CURRENT").string() + " is missing");
  std::string current;
  const rocksdb::Status status =
      rocksdb::ReadFileToString(&env_, (path() / "CURRENT").string(), &current);
  if (!status.ok()) throwStatus(status, "read CURRENT", path());
  if (!current.starts_with("MANIFEST-") || !current.ends_with("\n")) {
    throwDamaged((path() / "CURRENT").string() + " does not name a MANIFEST");
  }
  current.pop_back();
  if (!contains(children, current)) {
    throwDamaged((path() / current).string() + ", which CURRENT names, is missing");
  }
  checkLogFile(env_, path() / current);

  // RocksDB begins a new log whenever it opens, and keeps at least the latest.
  if (std::none_of(children.begin(), children.end(), isWriteAheadLog)) {
    throwDamaged("the write-ahead log (*.log) in " + path().string() + " is missing");
  }
  for (const std::string& name : children)
    if (isWriteAheadLog(name)) checkLogFile(env_, path() / name);
}

void StoreDirectory::startMaking(const std::vector<std::string>& children) {
  if (!children.empty() && !contains(children, kNewMarker)) {
    throw StoreException(Reason::WrongFormat,
                         path().string() + " is not empty and has no format marker " + kMarker +
                             "; name an empty directory, or restore the store from a backup "
                             "(docs/store.md)");
  }
  const std::string marker = (path() / kNewMarker).string();
  rocksdb::Status status = rocksdb::WriteStringToFile(
      &env_, std::string(kFormatName) + std::string(kFormatVersion), marker, /*should_sync=*/true);
  if (!status.ok()) throwStatus(status, std::string("write ") + kNewMarker, path());

  rocksdb::Options options;
  options.env = &env_;
  status = rocksdb::DestroyDB(path().string(), options);  // What an interrupted making left.
  if (!status.ok()) throwStatus(status, "remove the files of an unfinished store", path());
}

void StoreDirectory::finishMaking() {
  rocksdb::Status status =
      env_.RenameFile((path() / kNewMarker).string(), (path() / kMarker).string());
  std::unique_ptr<rocksdb::Directory> directory;
  if (status.ok()) status = env_.NewDirectory(path().string(), &directory);
  if (status.ok()) status = directory->Fsync();
  if (!status.ok()) throwStatus(status, std::string("write ") + kMarker, path());
}

}  // namespace nephrite
