#include "objects/disk/rocks_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace nephrite {

RocksLog::RocksLog(rocksdb::Env& env, const Clock& clock, std::filesystem::path directory)
    : Logger(rocksdb::InfoLogLevel::WARN_LEVEL),
      env_(env),
      clock_(clock),
      directory_(std::move(directory)) {}

RocksLog::~RocksLog() {
  MutexLock hold(mutex_);
  if (file_) file_->Close().PermitUncheckedError();
}

void RocksLog::stop() {
  MutexLock hold(mutex_);
  stopped_ = true;
}

// At the first line: most stores have none to write.
void RocksLog::open() {
  const std::string name = (directory_ / "LOG").string();
  if (!env_.GetFileSize(name, &bytes_).ok()) bytes_ = 0;
  if (bytes_ >= kMostBytes) {
    const std::string old = name + ".old." + std::to_string(env_.NowMicros());
    if (env_.RenameFile(name, old).ok()) bytes_ = 0;
  }
  if (!env_.ReopenWritableFile(name, &file_, rocksdb::EnvOptions()).ok()) file_.reset();
}

void RocksLog::Logv(const char* format, std::va_list arguments) {
  constexpr std::size_t kLongestLine = 4096;
  std::array<char, kLongestLine> text{};
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (length < 0) return;
  const std::string_view said(
      text.data(), std::min<std::size_t>(static_cast<std::size_t>(length), text.size() - 1));
  const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.wallNow());
  append(fmt::format("{:%Y/%m/%d-%H:%M:%S} {}\n", now, said));
}

void RocksLog::append(std::string_view line) {
  MutexLock hold(mutex_);
  if (stopped_) return;
  if (file_ && bytes_ >= kMostBytes) {
    file_->Close().PermitUncheckedError();
    file_.reset();
  }
  if (!file_) open();
  if (!file_) return;
  bytes_ += line.size();
  if (file_->Append(rocksdb::Slice(line)).ok()) file_->Flush().PermitUncheckedError();
}

}  // namespace nephrite
