// The nephrite program: one verb for each thing that people do with a node.

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "ini/ini_file.h"
#include "node/program/ini_command.h"
#include "node/program/lock_command.h"
#include "node/program/operator_commands.h"
#include "node/program/server_command.h"
#include "node/schedule/replay.h"

namespace nephrite {
namespace {

constexpr int kMostLines = 1'000'000'000;  // Of a listing: all that there are.

struct IniArgs {
  std::string file;
  std::string name;
  std::vector<std::string> overrides;

  std::filesystem::path path() const { return locateIniFile(file, {}); }

  void addTo(CLI::App& command, const char* option = "FILE") {
    command.add_option(option, file, "The INI file; default: jade.ini in the working directory");
    command.add_option("--name", name,
                       "Id of two-level sections: [Id.JadeServer] counts before [JadeServer]");
    command.add_option("--set", overrides,
                       "Section.Parameter=value: beats the file, as on a JADE command line");
  }
};

/// `nephrite lock`. Whatever stands behind "--" is the command, and not looked at.
class LockVerb {
 public:
  /// Leaves what is before "--" in `argc`.
  LockVerb(CLI::App& app, int& argc, char** argv) : verb_(addTo(app)) {
    if (argc < 2 || verb_->get_name() != argv[1]) return;
    char** const end = argv + argc;
    char** const dashes =
        std::find_if(argv, end, [](const char* word) { return std::strcmp(word, "--") == 0; });
    argc = static_cast<int>(dashes - argv);
    if (dashes != end) command_.command.assign(dashes + 1, end);
  }

  /// The exit status, when it was given.
  std::optional<int> run() {
    if (!*verb_) return std::nullopt;
    return lockCommand(command_, std::cerr);
  }

 private:
  CLI::App* addTo(CLI::App& app) {
    CLI::App* const verb =
        app.add_subcommand("lock", "Run a command while holding the lock on a resource");
    verb->add_option("RESOURCE", command_.resource, "Its name: 1 to 1024 bytes, any");
    verb->add_option_function<std::string>(
            "--type", [this](const std::string& name) { command_.type = *typeNamed(name); },
            "share, reserve, update or exclusive")
        ->check([](const std::string& name) {
          return typeNamed(name) ? std::string() : "'" + name + "' is no type of lock";
        })
        ->type_name("TYPE")
        ->default_str("exclusive");
    verb->add_option_function<std::int32_t>(
            "--timeout",
            [this](std::int32_t number) { command_.timeout = LockTimeout::ofMilliseconds(number); },
            "Wait for it so long; 0: as long as the server says (ServerTimeout), -1: not at all, "
            "2147483647: as good as for ever")
        ->type_name("MS")
        ->default_str("0");
    addSpan(*verb, "--ttl", 1, [this](std::chrono::milliseconds span) { command_.ttl = span; })
        ->description(
            "Lose it when it is not renewed for so long, which this program does as "
            "long as it runs and reaches the server; without: with the session");
    addSpan(*verb, "--grace", 0, [this](std::chrono::milliseconds span) { command_.grace = span; })
        ->description("When the lock is lost: from SIGTERM to SIGKILL for the command")
        ->default_str("5000");
    verb->add_option("--connect", command_.where.connect,
                     "Where the server is: TcpIP,host,port or Unix,/path/to/socket");
    verb->add_option("--ini", command_.where.iniFile,
                     "Take that from [JadeClient] ServerNodeSpecifications of this file; default: "
                     "jade.ini in the working directory, else TcpIP,127.0.0.1,6005");
    verb->allow_extras();  // So that the callback tells of a missing "--" rather than of them.
    verb->callback([this, verb] {
      const std::string example = ", as in: nephrite lock nightly -- backup.sh /srv";
      if (verb->count("RESOURCE") == 0) {
        throw CLI::ValidationError("the name of the resource is missing" + example);
      }
      if (command_.command.empty()) {
        throw CLI::ValidationError("there is no command to run; it stands behind --" + example);
      }
      if (verb->remaining_size() > 0) {
        throw CLI::ExtrasError(verb->get_name(), verb->remaining());
      }
    });
    verb->footer(
        "The command stands behind --, with its own options.\n"
        "\n"
        "It has NEPHRITE_LOCK, the name, and NEPHRITE_TOKEN in its environment: a number\n"
        "that is higher with each grant, so that what it writes to can refuse an older holder.\n"
        "Signals are passed on to it, and the lock stays until it has ended. When the lock is "
        "lost\n"
        "meanwhile (the server ended, an operator took it, its lease lapsed) it is ended.\n"
        "\n"
        "Exit status: the command's; 128+N when signal N ended it, or the wait for the lock; 126\n"
        "when it cannot be executed, 127 when it is not found; 75 when the lock is not to be had,\n"
        "or was lost; 2 for wrong use.\n"
        "\n"
        "Examples:\n"
        "  nephrite lock nightly -- backup.sh /srv    waits its turn, then runs it\n"
        "  nephrite lock nightly --timeout -1 --ttl 30000 -- backup.sh\n"
        "      gives up at once when somebody has it (75); loses it 30 s after this computer\n"
        "      stands still or is cut off\n"
        "\n"
        "Who has it, and who waits: nephrite locks, nephrite queue.");
    return verb;
  }

  static std::optional<LockType> typeNamed(const std::string& name) {
    for (const LockType type :
         {LockType::Share, LockType::Reserve, LockType::Update, LockType::Exclusive}) {
      if (name == nameOf(type)) return type;
    }
    return std::nullopt;
  }

  template <typename Take>
  static CLI::Option* addSpan(CLI::App& verb, const char* name, std::int32_t least, Take take) {
    return verb
        .add_option_function<std::int32_t>(
            name, [take](std::int32_t number) { take(std::chrono::milliseconds(number)); })
        ->check(CLI::Range(least, LockTimeout::kInfinite))
        ->type_name("MS");
  }

  LockCommand command_;
  CLI::App* verb_;  // Last: what it reads goes into the others.
};

int replayFile(const std::string& file, bool checkInvariants) {
  if (file == "-") return replay(std::cin, std::cout, std::cerr, checkInvariants);
  std::error_code none;
  if (std::filesystem::is_directory(file, none)) {
    std::cerr << "nephrite replay: " << file << " is a directory; name a schedule file\n";
    return 2;
  }
  std::ifstream schedule(file);
  if (!schedule) {
    std::cerr << "nephrite replay: cannot open " << file << ": " << std::strerror(errno) << '\n';
    return 2;
  }
  return replay(schedule, std::cout, std::cerr, checkInvariants);
}

/// The verbs that ask a server node. Each sub-command sets `chosen`.
class OperatorVerbs {
 public:
  explicit OperatorVerbs(CLI::App& app) {
    addLooking(app, "locks", "Who holds which lock, since when, from where", printLocks,
               Narrow::Both)
        ->footer(
            "Examples:\n"
            "  nephrite locks --object Order/2048.7    who holds it, and who waits behind\n"
            "  nephrite locks --user anna --watch      again every second\n"
            "  nephrite locks --json                   for programs");
    addLooking(app, "queue", "Who waits for which lock, and for whom; longest first", printQueue,
               Narrow::Both)
        ->footer(
            "DEPTH is how many requests stand in a row, this one included. With a --max above\n"
            "100000 requests come as they are found, without it.\n"
            "\n"
            "Examples:\n"
            "  nephrite queue                          the longest wait first\n"
            "  nephrite queue --object Order/2048.7    who stands behind this object\n"
            "  nephrite queue --watch 5                again every five seconds");
    addLooking(app, "processes", "Who is signed on, what each holds and waits for", processesView,
               Narrow::Process)
        ->footer(
            "Examples:\n"
            "  nephrite processes --user anna    those of one user\n"
            "  nephrite processes --process 812  the one that a message named");
    addLooking(app, "nodes", "Which programs are connected, from where", nodesView, Narrow::No)
        ->footer(
            "Example:\n"
            "  nephrite nodes --max 20    the first twenty, with host, program and pid");
    addDeadlocks(app);
    addContention(app);
    addLooking(app, "stats", "Counters of the server node", statsView, Narrow::No)
        ->footer(
            "Examples:\n"
            "  nephrite stats --watch    how fast they rise\n"
            "  nephrite stats --json     for what collects figures");
    addPing(app);
    addForce(app);
  }

  /// The exit status, when one of them was given.
  std::optional<int> run() {
    if (!chosen_) return std::nullopt;
    winsize size{};
    const bool terminal = ::isatty(STDOUT_FILENO) != 0;
    if (terminal) ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    OperatorOutput output{std::cout, std::cerr, terminal, size.ws_col, size.ws_row};
    return chosen_(output);
  }

 private:
  CLI::App* addVerb(CLI::App& app, const char* name, const char* what) {
    CLI::App* const verb = app.add_subcommand(name, what);
    verb->add_option("--connect", options_.connect,
                     "Where the server is: TcpIP,host,port or Unix,/path/to/socket");
    verb->add_option("--ini", options_.iniFile,
                     "Take that from [JadeClient] ServerNodeSpecifications of this file; default: "
                     "jade.ini in the working directory, else TcpIP,127.0.0.1,6005");
    verb->add_flag("--json", options_.json, "JSON for programs instead of text for people");
    return verb;
  }

  /// What a listing can be narrowed to.
  enum class Narrow { No, Object, Process, Both };

  /// `view`: a ViewOf or a PrintList.
  template <typename View>
  CLI::App* addLooking(CLI::App& app, const char* name, const char* what, View view,
                       Narrow narrow) {
    CLI::App* const verb = addVerb(app, name, what);
    addSelection(*verb, narrow);
    verb->callback([this, view] {
      chosen_ = [this, view](OperatorOutput& output) { return showView(view, options_, output); };
    });
    return verb;
  }

  void addSelection(CLI::App& verb, Narrow narrow) {
    if (narrow == Narrow::Object || narrow == Narrow::Both) {
      verb.add_option("--object", options_.selection.object, "Only this object: Order/2048.7");
    }
    if (narrow == Narrow::Process || narrow == Narrow::Both) {
      verb.add_option("--process", options_.selection.process,
                      "Only this process: its name, number or Oid");
      verb.add_option("--user", options_.selection.user, "Only processes of this user");
    }
    verb.add_option("--max", options_.selection.most, "At most so many lines")
        ->capture_default_str()
        ->check(CLI::Range(1, kMostLines));
    addWatch(verb);
  }

  void addWatch(CLI::App& verb) {
    verb.add_option_function<double>(
            "--watch", [this](double seconds) { options_.watchSeconds = seconds; },
            "Again and again, every second or as told, until Ctrl-C")
        ->expected(0, 1)
        ->default_str("1")
        ->type_name("SECONDS");
  }

  void addDeadlocks(CLI::App& app) {
    CLI::App* const verb = addVerb(app, "deadlocks", "The last deadlocks, newest first");
    addSelection(*verb, Narrow::Both);
    verb->add_option("--schedule", schedule_, "Print deadlock N as a schedule")->type_name("N");
    verb->footer(
        "Examples:\n"
        "  nephrite deadlocks                                     who waited for whom, and lost\n"
        "  nephrite deadlocks --schedule 3 | nephrite replay -    plays the third one again");
    verb->callback([this] {
      chosen_ = [this](OperatorOutput& output) {
        return showDeadlocks(schedule_, options_, output);
      };
    });
  }

  void addContention(CLI::App& app) {
    CLI::App* const verb = addVerb(app, "contention", "Which objects are waited for most");
    addSelection(*verb, Narrow::Object);
    verb->add_option("VERB", verb_, "on, off or clear: begin, end or zero the counting")
        ->check(CLI::IsMember({"on", "off", "clear"}));
    verb->add_option("SIZE", size_, "With on: count at most so many objects")
        ->capture_default_str();
    verb->footer(
        "Examples:\n"
        "  nephrite contention on     begin to count, which costs each wait a little\n"
        "  nephrite contention        the objects that most requests waited for\n"
        "  nephrite contention off    end it");
    verb->callback([this] {
      chosen_ = [this](OperatorOutput& output) {
        return contention(verb_, size_, options_, output);
      };
    });
  }

  void addPing(CLI::App& app) {
    CLI::App* const verb = addVerb(app, "ping", "Is the server there, and how far away?");
    verb->add_option("--count", count_, "Round trips")->capture_default_str();
    verb->footer(
        "Exit status 0 when it answers and can do its work, 1 when it does not answer, 3 when it\n"
        "answers and cannot commit, or audit: fit for a health check.\n"
        "\n"
        "Example:\n"
        "  nephrite ping --count 1 --connect Unix,/run/nephrite/nephrite.sock");
    verb->callback([this] {
      chosen_ = [this](OperatorOutput& output) { return ping(count_, options_, output); };
    });
  }

  void addForce(CLI::App& app) {
    CLI::App* const unlock =
        addVerb(app, "unlock", "Take a lock away from a process, without asking it");
    unlock
        ->add_option("OBJECT", options_.selection.object, "Order/2048.7, or 'resource nightly run'")
        ->required();
    unlock->add_option("--process", options_.selection.process, "From whom: name, number or Oid")
        ->required();
    unlock->add_option("--reason", reason_, "Why; for the audit log")->required();
    unlock->footer(
        "A last resort: the process goes on believing that it holds the lock until it commits,\n"
        "and that is refused. Written to the server's audit log.\n"
        "\n"
        "Example:\n"
        "  nephrite unlock Order/2048.7 --process 812 --reason \"till 3 hangs, ticket 4711\"");
    unlock->callback([this] {
      chosen_ = [this](OperatorOutput& output) {
        const Selection& what = options_.selection;
        return unlockByForce(what.object, what.process, reason_, options_, output);
      };
    });
    CLI::App* const signOff =
        addVerb(app, "sign-off", "End a process, or a node with all its processes");
    signOff->add_option("WHOM", options_.selection.process, "A process or node: name, number, Oid")
        ->required();
    signOff->add_option("--reason", reason_, "Why; for the audit log")->required();
    signOff->footer(
        "Its transactions are dropped and its locks are free. Written to the audit log.\n"
        "\n"
        "Example:\n"
        "  nephrite sign-off Process/187.812 --reason \"till 3 hangs, ticket 4711\"");
    signOff->callback([this] {
      chosen_ = [this](OperatorOutput& output) {
        return signOffByForce(options_.selection.process, reason_, options_, output);
      };
    });
  }

  OperatorOptions options_;
  std::optional<std::uint64_t> schedule_;
  std::string verb_;
  std::size_t size_ = 1'000;
  int count_ = 10;
  std::string reason_;
  std::function<int(OperatorOutput&)> chosen_;
};

/// What was wrong with the command line, of which verb, and where its help is.
std::string complaint(const CLI::App* app, const CLI::Error& error) {
  std::string called = "nephrite";
  const CLI::App* verb = app;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    called += " " + verb->get_name();
  }
  std::string what = error.what();
  const std::vector<std::string> unknown = app->remaining(true);
  if (error.get_name() == "ConversionError") what += ", which is no number";
  if (error.get_name() == "RequiredError" && what == "A subcommand is required") {
    what = unknown.empty() ? "a verb is missing" : "'" + unknown.front() + "' is no verb";
    std::string verbs;
    for (const CLI::App* const known : verb->get_subcommands(nullptr)) {
      verbs += (verbs.empty() ? "" : ", ") + known->get_name();
    }
    what += "; there are " + verbs;
  }
  return called + ": " + what + "\nMore with: " + called + " --help\n";
}

int run(int argc, char** argv) {
  CLI::App app{"Nephrite: an object database node with an object lock manager."};
  app.footer(
      "Examples:\n"
      "  nephrite server --ini jade.ini        run a server node\n"
      "  nephrite locks --object Order/2048.7  who holds my lock, and who waits behind me\n"
      "  nephrite queue --watch                who waits for whom, again every second\n"
      "  nephrite lock nightly -- backup.sh    run a command while holding a lock\n"
      "  nephrite replay deadlock.sched        play a lock schedule; one JSON event a line\n"
      "  nephrite ini check jade.ini           say what is wrong in an INI file, and where\n"
      "  nephrite ini show jade.ini            every parameter, its value, where it comes from\n"
      "\n"
      "Schedules are described in docs/schedule.md, INI parameters in docs/ini.md.");
  app.set_version_flag("--version", "nephrite " NEPHRITE_VERSION);
  app.require_subcommand(1);
  app.failure_message(complaint);

  IniArgs served;
  CLI::App* const serverCommandLine =
      app.add_subcommand("server", "Run a server node in the foreground, until SIGTERM or SIGINT");
  served.addTo(*serverCommandLine, "--ini");
  serverCommandLine->footer(
      "Client nodes find it by [JadeClient] ServerNodeSpecifications=TcpIP, 127.0.0.1, 6005 (or\n"
      "Unix, /path/to/socket). It listens on this machine only.\n"
      "\n"
      "  SIGTERM, SIGINT   let clients finish for [NephriteServer] DrainTime, then end; a second\n"
      "                    one ends at once\n"
      "  SIGHUP            read the INI file again\n"
      "\n"
      "Examples:\n"
      "  nephrite ini check jade.ini && nephrite server --ini jade.ini\n"
      "  nephrite server --ini jade.ini --set NephriteServer.Port=6006 NephriteLog.Level=Debug\n"
      "\n"
      "Exit status: 0; 1 when it could not start, but may the next time: its port is in use, say;\n"
      "78 when its INI file has errors, or names an address, a directory or a file that cannot be\n"
      "used, or its store is damaged or none of Nephrite: so that no supervisor starts it again\n"
      "before somebody has mended that.");

  std::string schedule;
  CLI::App* const replayCommand = app.add_subcommand(
      "replay", "Play a lock schedule on a virtual clock with the real lock manager");
  replayCommand->add_option("FILE", schedule, "The schedule; - for standard input")->required();
  bool checked = false;
  replayCommand->add_flag("--check", checked,
                          "Check the invariants of the lock table after each line (slower)");
  replayCommand->footer(
      "Examples:\n"
      "  nephrite replay deadlock.sched\n"
      "  nephrite deadlocks --schedule 1 | nephrite replay -\n"
      "\n"
      "A schedule:\n"
      "  process A\n"
      "  process B background\n"
      "  object X\n"
      "  A begin\n"
      "  A exclusiveLock X\n"
      "  B lock X share session 500\n"
      "  advance 500\n"
      "\n"
      "Exit status: 0, or 2 when a line cannot be played (standard error says which).");

  CLI::App* const ini = app.add_subcommand("ini", "Look at an INI file");
  ini->require_subcommand(1);
  ini->footer(
      "Examples:\n"
      "  nephrite ini check jade.ini    before a server is started with it, or reads it again\n"
      "  nephrite ini show              what counts, and which line says so\n"
      "\n"
      "What each parameter means: docs/ini.md, or nephrite ini docs.");
  IniArgs checkedIni;
  CLI::App* const check = ini->add_subcommand(
      "check", "Report what is wrong; exit status 0 (warnings included), 1 errors, 2 wrong use");
  checkedIni.addTo(*check);
  check->footer(
      "What it passes, a server node starts with. It changes nothing and makes nothing.\n"
      "\n"
      "Examples:\n"
      "  nephrite ini check /etc/nephrite/jade.ini && systemctl reload nephrite\n"
      "  nephrite ini check jade.ini --set JadeServer.ServerTimeout=5000");
  IniArgs shown;
  CLI::App* const show =
      ini->add_subcommand("show", "Every parameter with its value and where it comes from");
  shown.addTo(*show);
  show->footer(
      "Example:\n"
      "  nephrite ini show jade.ini --name East    where [East.JadeServer] counts before "
      "[JadeServer]");
  CLI::App* const docs =
      ini->add_subcommand("docs", "Print docs/ini.md, made from the table of parameters");
  docs->footer("Example:\n  nephrite ini docs | less");

  LockVerb lock(app, argc, argv);
  OperatorVerbs operatorVerbs(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }

  if (const auto status = operatorVerbs.run()) return *status;
  if (const auto status = lock.run()) return *status;
  if (*serverCommandLine) {
    return serverCommand({served.file, served.name, served.overrides, NEPHRITE_VERSION}, std::cerr);
  }
  if (*replayCommand) return replayFile(schedule, checked);
  if (*check) {
    return iniCheck(checkedIni.path(), checkedIni.overrides, checkedIni.name, std::cout, std::cerr);
  }
  if (*show) return iniShow(shown.path(), shown.overrides, shown.name, std::cout, std::cerr);
  if (*docs) return iniDocs(std::cout);
  return 2;
}

/// False, and said, when the standard output did not take everything; a reader that has gone wanted
/// no more.
bool wasWritten() {
  std::cout.flush();
  if (std::cout) return true;
  const int why = errno;
  pollfd reader{STDOUT_FILENO, POLLOUT, 0};
  if (::poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0) return true;
  std::cerr << "nephrite: not all of it could be written to the standard output: "
            << std::strerror(why) << '\n';
  return false;
}

}  // namespace
}  // namespace nephrite

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // A reader that has had enough (| head) is no failure.
  try {
    const int status = nephrite::run(argc, argv);
    return nephrite::wasWritten() ? status : 1;
  } catch (const std::exception& failure) {
    std::cerr << "nephrite: " << failure.what() << '\n';
    return 1;
  }
}
