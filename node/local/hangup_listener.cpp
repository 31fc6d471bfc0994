#include "node/local/hangup_listener.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace nephrite {
namespace {

// The signal handler may only touch this: a byte down the pipe wakes the thread.
std::atomic<int> hangupPipe{-1};
struct sigaction previousAction;

constexpr char kHangup = 'h';
constexpr char kEnd = 'e';

void onSignal(int) {
  const int saved = errno;
  const int pipe = hangupPipe.load();
  if (pipe >= 0) [[maybe_unused]]
    const auto written = ::write(pipe, &kHangup, 1);
  errno = saved;
}

}  // namespace

HangupListener::HangupListener(std::function<void()> onHangup) : onHangup_(std::move(onHangup)) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "listening for SIGHUP: pipe");
  }
  readEnd_ = ends[0];
  writeEnd_ = ends[1];
  hangupPipe = writeEnd_;
  struct sigaction action {};
  action.sa_handler = onSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, &previousAction);
  thread_ = std::thread([this] { run(); });
}

HangupListener::~HangupListener() {
  ::sigaction(SIGHUP, &previousAction, nullptr);
  hangupPipe = -1;
  [[maybe_unused]] const auto written = ::write(writeEnd_, &kEnd, 1);
  thread_.join();
  ::close(readEnd_);
  ::close(writeEnd_);
}

void HangupListener::run() {
  char byte = 0;
  for (;;) {
    const auto got = ::read(readEnd_, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || byte == kEnd) return;
    onHangup_();
  }
}

}  // namespace nephrite
