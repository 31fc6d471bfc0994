#include "node/program/operator_commands.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <ostream>
#include <sstream>
#include <vector>

#include "base/log.h"
#include "base/plain_text.h"
#include "node/client/connected_database.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

namespace asio = boost::asio;

/// Runs `command`, and says what went wrong in one sentence.
int guarded(const OperatorOutput& output, const std::function<int()>& command) {
  try {
    return command();
  } catch (const WrongUse& wrong) {
    output.err << "nephrite: " << wrong.what() << '\n';
    return 2;
  } catch (const IniError& wrong) {
    output.err << "nephrite: " << wrong.what() << '\n';
    return 2;
  } catch (const ConnectionException& gone) {
    output.err << "nephrite: " << gone.what()
               << "\nIs it running (nephrite server --ini FILE), and is that its address "
                  "(--connect, --ini)?\n";
    return 1;
  } catch (const std::exception& failure) {
    output.err << "nephrite: " << failure.what() << '\n';
    return 1;
  }
}

int withServer(const OperatorOptions& options, const OperatorOutput& output,
               const std::function<int(RemoteDatabase&)>& command) {
  return guarded(output, [&] {
    setLogLevel(LogLevel::Error);  // What is wrong is said here, not in a log.
    ConnectedDatabase connected(settingsOf(options));
    connected.database().awaitConnection();
    return command(connected.database());
  });
}

void print(const View& view, bool json, const OperatorOutput& output) {
  if (json) {
    output.out << boost::json::serialize(view.json) << '\n';
  } else if (view.table.empty()) {
    output.out << view.whenEmpty << '\n';
  } else {
    view.table.print(output.out, output.width);
    if (!view.below.empty()) output.out << view.below << '\n';
  }
  output.out << std::flush;
}

/// Prints what a command shows.
using Show = std::function<void(RemoteDatabase&, const OperatorOutput&)>;

/// Ends when interrupted, and when its output is read no more; goes on when the server is gone, and
/// back.
class Watch {
 public:
  Watch(double seconds, OperatorOutput& output)
      : pause_(static_cast<std::int64_t>(std::max(seconds, 0.1) * 1'000)),
        output_(output),
        signals_(context_, SIGINT, SIGTERM) {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) ended_ = true;
    });
  }

  int run(RemoteDatabase& database, const Show& show, const OperatorOptions& options) {
    while (!ended_ && output_.out) {
      std::ostringstream frame;
      try {
        show(database, {frame, output_.err, output_.terminal, output_.width});
      } catch (const ConnectionException& gone) {
        frame.str({});
        if (!options.json) frame << gone.what() << "\nwaiting for it\n";
      }
      const std::string text = frame.str();
      if (output_.terminal && !options.json) {
        redraw(isoText(database.clock().wallNow()) + "  Ctrl-C ends\n" + text);
      } else {
        output_.out << text << (options.json ? "" : "\n") << std::flush;
      }
      pause();
    }
    return 0;
  }

 private:
  // The new picture is drawn over the old one, and what is left of that is cleared line by line:
  // nothing flickers. As many lines as there is room for: else it would scroll.
  void redraw(const std::string& text) {
    output_.out << (first_ ? "\x1b[2J\x1b[H" : "\x1b[H");
    first_ = false;
    std::size_t left = output_.height > 1 ? output_.height - 1 : SIZE_MAX;
    for (std::size_t at = 0; at < text.size() && left > 0; --left) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      output_.out << text.substr(at, end - at) << "\x1b[K\n";
      at = end + 1;
    }
    output_.out << "\x1b[J" << std::flush;
  }

  void pause() {
    asio::steady_timer timer(context_, pause_);
    bool over = false;
    timer.async_wait([&](const boost::system::error_code&) { over = true; });
    while (!over && !ended_) context_.run_one();
    timer.cancel();
    context_.poll();
    context_.restart();
  }

  const std::chrono::milliseconds pause_;
  OperatorOutput& output_;
  asio::io_context context_;
  asio::signal_set signals_;
  bool ended_ = false;
  bool first_ = true;
};

/// What was done: `text` for people, `what` for programs.
int done(const OperatorOptions& options, const OperatorOutput& output, const std::string& text,
         const boost::json::object& what) {
  output.out << (options.json ? boost::json::serialize(what) : text) << '\n';
  return 0;
}

Operator operatorHere(const std::string& reason) { return {userHere(), reason}; }

}  // namespace

Settings settingsOf(const OperatorOptions& options) {
  std::filesystem::path file = options.iniFile;
  std::error_code none;
  if (file.empty()) {
    file = locateIniFile({}, {});
    if (!std::filesystem::exists(file, none)) file = "/dev/null";
  }
  IniArguments arguments;
  if (!options.connect.empty()) {
    arguments.overrides.push_back("JadeClient.ServerNodeSpecifications=" + options.connect);
  }
  arguments.overrides.emplace_back("NephriteClient.ConnectTimeout=1500");
  const Resolution found = resolveSettings(IniFile::read(file, arguments));
  for (const IniProblem& problem : found.problems) {
    if (problem.severity == IniProblem::Severity::Error) throw WrongUse(problem.describe());
  }
  return found.settings;
}

std::string userHere() {
  const passwd* const user = ::getpwuid(::getuid());
  return user != nullptr ? user->pw_name : std::to_string(::getuid());
}

namespace {

int showOnceOrWatch(const Show& show, const OperatorOptions& options, OperatorOutput& output) {
  return withServer(options, output, [&](RemoteDatabase& database) {
    if (options.watchSeconds) {
      return Watch(*options.watchSeconds, output).run(database, show, options);
    }
    // Lines that are too long are folded by the terminal: nothing is lost.
    show(database, {output.out, output.err});
    return 0;
  });
}

}  // namespace

int showView(ViewOf viewOf, const OperatorOptions& options, OperatorOutput& output) {
  const auto show = [&](RemoteDatabase& database, const OperatorOutput& to) {
    print(viewOf(database, options.selection), options.json, to);
  };
  return showOnceOrWatch(show, options, output);
}

int showView(PrintList printList, const OperatorOptions& options, OperatorOutput& output) {
  const auto show = [&](RemoteDatabase& database, const OperatorOutput& to) {
    printList(database, options.selection, {to.out, options.json, to.width});
  };
  return showOnceOrWatch(show, options, output);
}

int showDeadlocks(std::optional<std::uint64_t> schedule, const OperatorOptions& options,
                  OperatorOutput& output) {
  if (!schedule) return showView(deadlocksView, options, output);
  return withServer(options, output, [&](RemoteDatabase& database) {
    output.out << deadlockSchedule(database, *schedule) << std::flush;
    return 0;
  });
}

int contention(const std::string& verb, std::size_t size, const OperatorOptions& options,
               OperatorOutput& output) {
  if (verb.empty()) return showView(contentionView, options, output);
  return withServer(options, output, [&](RemoteDatabase& database) {
    const LockerId none;  // The server's own process stands in for the operator.
    bool accepted = false;
    if (verb == "on") accepted = database.beginContentionStats(none, size);
    if (verb == "off") accepted = database.endContentionStats(none);
    if (verb == "clear") accepted = database.clearContentionStats(none);
    if (accepted) {
      return done(options, output,
                  verb == "on"      ? "counting; look with: nephrite contention"
                  : verb == "clear" ? "counting from zero"
                                    : "no longer counting",
                  {{"contention", verb}});
    }
    const LockContentionState state = database.contentionState();
    if (!state.active) {
      output.err << "nephrite: nothing is counted; begin with: nephrite contention on\n";
      return 1;
    }
    const ProcessInfo starter = database.describe(state.startedBy);
    output.err << "nephrite: the counting was begun by process " << starter.locker.value << " ("
               << plainText(starter.name) << ", user " << plainText(starter.user) << ", node "
               << plainText(starter.node) << "), which alone may clear or end it\n";
    return 1;
  });
}

int ping(int count, const OperatorOptions& options, OperatorOutput& output) {
  return withServer(options, output, [&](RemoteDatabase& database) {
    std::vector<double> times;
    wire::Status status;
    for (int i = 0; i < std::max(count, 1); ++i) {
      const Instant start = database.clock().now();
      status = database.serverStatus();
      times.push_back(
          std::chrono::duration<double, std::micro>(database.clock().now() - start).count());
    }
    std::sort(times.begin(), times.end());
    const double median = times[times.size() / 2];
    if (options.json) {
      output.out << boost::json::serialize(boost::json::object{{"version", status.version},
                                                               {"pid", status.pid},
                                                               {"draining", status.draining},
                                                               {"trouble", status.trouble},
                                                               {"count", times.size()},
                                                               {"minUs", times.front()},
                                                               {"medianUs", median},
                                                               {"maxUs", times.back()}})
                 << '\n';
    } else {
      output.out << fmt::format(
          "nephrite {}, pid {}{}: {} round trips, {:.0f} us (least {:.0f}, most {:.0f})\n",
          status.version, status.pid, status.draining ? ", shutting down" : "", times.size(),
          median, times.front(), times.back());
    }
    if (status.trouble.empty()) return 0;
    if (!options.json) output.err << "nephrite: TROUBLE: " << status.trouble << '\n';
    return 3;
  });
}

int unlockByForce(const std::string& object, const std::string& process, const std::string& reason,
                  const OperatorOptions& options, OperatorOutput& output) {
  return withServer(options, output, [&](RemoteDatabase& database) {
    const NamedTarget target = objectNamed(database, object);
    const Oid oid = target.oid;
    const std::string name = database.show(oid);
    const LockerId locker = lockerNamed(database, process, oid);
    if (database.breakLock(locker, oid, operatorHere(reason))) {
      return done(options, output, name + " is taken from process " + whoText(database, locker),
                  {{"unlocked", name}, {"process", locker.value}});
    }
    output.err << "nephrite: process " << whoText(database, locker) << " holds nothing on " << name
               << '\n';
    Selection selection;
    selection.object = object;
    printLocks(database, selection, {output.err});
    return 1;
  });
}

int signOffByForce(const std::string& whom, const std::string& reason,
                   const OperatorOptions& options, OperatorOutput& output) {
  return withServer(options, output, [&](RemoteDatabase& database) {
    const LockerId locker = lockerNamed(database, whom, Oid());
    for (const NodeInfo& node : database.nodes()) {
      if (node.locker != locker || node.origin.address != "local") continue;
      output.err << "nephrite: " << node.name
                 << " is the node of the server itself; end the server instead (SIGTERM)\n";
      return 1;
    }
    const std::string name = whoText(database, locker);
    if (database.forceSignOff(locker, operatorHere(reason))) {
      return done(options, output, name + " is signed off", {{"signedOff", locker.value}});
    }
    output.err << "nephrite: " << name << " is not signed on any more\n";
    return 1;
  });
}

}  // namespace nephrite
