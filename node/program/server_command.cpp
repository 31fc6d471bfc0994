#include "node/program/server_command.h"

#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <ostream>
#include <string>

#include "base/background_writer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "ini/ini_problem.h"
#include "node/server_node.h"
#include "objects/store_exception.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds kQuietCheck{50};
constexpr milliseconds kStatusEvery{5'000};

/// Watches the signals and the clock while the node serves on its own threads.
class Supervisor {
 public:
  explicit Supervisor(ServerNode& server)
      : server_(server), signals_(context_, SIGTERM, SIGINT, SIGHUP), timer_(context_) {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) > 0) {
      every_ = std::min(every_, milliseconds(microseconds / 3000));
    }
  }

  void run() {
    ::sd_notify(0, "READY=1");
    awaitSignal();
    tick();
    context_.run();
    ::sd_notify(0, "STOPPING=1\nSTATUS=closing the store");
    server_.stop();
  }

 private:
  void awaitSignal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload();
      } else if (drainUntil_) {
        log(LogLevel::Warning, "server.stops", {{"why", "a second signal"}});
        return context_.stop();
      } else {
        drain(signal);
      }
      awaitSignal();
    });
  }

  void reload() {
    const Duration now = SystemClock::instance().now().sinceStart;
    const auto stamp = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(stamp));
    server_.reload();
    ::sd_notify(0, "READY=1");
  }

  void drain(int signal) {
    const milliseconds longest = server_.drainTime();
    log(LogLevel::Info, "server.drains",
        {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"},
         {"at_most_ms", std::to_string(longest.count())}});
    ::sd_notify(0, "STOPPING=1\nSTATUS=draining");
    server_.drain();
    drainUntil_ = SystemClock::instance().now() + longest;
    timer_.cancel();
    tick();
  }

  void tick() {
    if (drainUntil_ && (SystemClock::instance().now() >= *drainUntil_ || server_.isQuiet())) {
      return context_.stop();
    }
    // Asked of the serving thread: when it hangs, so do we, and the watchdog barks. A store that
    // takes no commits is told and not barked at: a restart would end what can still be read.
    const std::size_t sessions = server_.sessionCount();
    tellTrouble(server_.trouble());
    ::sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s, %zu sessions%s", drainUntil_ ? "draining" : "serving",
                 sessions, trouble_.empty() ? "" : ("; " + plainText(trouble_)).c_str());
    tellHeldBackLines();
    timer_.expires_after(drainUntil_ ? kQuietCheck : every_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) tick();
    });
  }

  /// In the log when it begins, changes or ends.
  void tellTrouble(const std::string& now) {
    if (now == trouble_) return;
    trouble_ = now;
    if (now.empty()) return log(LogLevel::Info, "server.trouble_ended");
    log(LogLevel::Error, "server.trouble", {{"what", now}});
  }

  ServerNode& server_;
  std::string trouble_;
  asio::io_context context_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  milliseconds every_ = kStatusEvery;
  std::optional<Instant> drainUntil_;
};

// Until it is mended, however often the server is started.
bool staysAsItIs(const std::exception& why) {
  using Reason = StoreException::Reason;
  const auto* const store = dynamic_cast<const StoreException*>(&why);
  if (store == nullptr) return dynamic_cast<const IniError*>(&why) != nullptr;
  const Reason reason = store->reason();
  return reason == Reason::Damaged || reason == Reason::WrongFormat || reason == Reason::NotUsable;
}

// Each client is a file descriptor; many systems give a program started by hand only 1,024.
void raiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int serverCommand(const ServerCommand& command, std::ostream& err) {
  // Not even the reader of the readiness line is waited for.
  BackgroundWriter out({.descriptor = STDOUT_FILENO, .gap = {}});
  try {
    raiseFileLimit();
    ServerNode::Options options;
    options.iniFile = command.iniFile;
    options.iniName = command.iniName;
    options.iniOverrides = command.overrides;
    options.version = command.version;
    ServerNode server(options);
    Supervisor supervisor(server);
    std::string ready = "nephrite server: ready on port " + std::to_string(server.port());
    if (!server.unixSocket().empty()) ready += " and " + server.unixSocket().string();
    out.write(ready + ", store " + server.storeDirectory().string() + "\n");
    supervisor.run();
    return 0;
  } catch (const std::exception& failure) {
    err << "nephrite server: " << failure.what() << '\n';
    return staysAsItIs(failure) ? EX_CONFIG : 1;
  }
}

}  // namespace nephrite
