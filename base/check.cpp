#include "base/check.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/log.h"

namespace nephrite {

// Nothing of this may wait for long: a process that is broken ends.
void checkFailed(const char* expression, const char* file, int line) noexcept {
  flushLog(std::chrono::seconds(1));
  std::array<char, 1024> text;
  const auto made =
      fmt::format_to_n(text.data(), text.size() - 1, "nephrite: broken invariant: {} ({}:{})",
                       expression, file, line);
  *made.out = '\n';
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, 0) == 1) {
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(made.out - text.data()) + 1);
  }
  std::abort();
}

}  // namespace nephrite
