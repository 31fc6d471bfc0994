// Loads this machine's Debian package database into a Nephrite node and lets application processes
// and background workers upgrade the packages, all at once, under locks. Shows live who holds and
// who waits, and at the end proves from the store that nothing was lost or done twice.
//
// Kill it at any moment (kill -9) and start it again: it goes on and still adds up.

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include "catalog.h"
#include "check.h"
#include "node/embedded_node.h"
#include "upgrades.h"

using namespace nephrite;
using namespace std::chrono_literals;

namespace {

struct Options {
  std::filesystem::path data = ".quickstart";
  std::filesystem::path status = "/var/lib/dpkg/status";
  int rounds = 3;
  int processes = 3;
  int workers = 2;
  bool checkOnly = false;
};

constexpr const char* kHelp =
    "usage: sample_quickstart [options] [DPKG_STATUS_FILE]\n"
    "\n"
    "Loads a Debian package database (default /var/lib/dpkg/status) as objects and upgrades every\n"
    "package a few times, from several processes at once. Exit status 0 when all adds up.\n"
    "\n"
    "  --data DIR       where store, INI file and journal live (default .quickstart)\n"
    "  --rounds N       upgrades of each package in this run (default 3)\n"
    "  --processes N    application processes (default 3)\n"
    "  --workers N      background workers (default 2)\n"
    "  --check          only hold the store against the journal\n"
    "  --help           this\n";

[[noreturn]] void refuse(const std::string& why) {
  std::cerr << "sample_quickstart: " << why << "\nTry --help.\n";
  std::exit(2);
}

int numberOf(const std::string& option, const char* text) {
  int number = 0;
  const char* const end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, number);
  if (error != std::errc() || rest != end || number < 0 || number > 1000) {
    refuse(option + " takes a whole number from 0 to 1000, not '" + text + "'");
  }
  return number;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const char* given = std::strchr(argv[i], '=');  // --option=value
    if (word.starts_with("--") && given != nullptr) word.resize(word.find('='));
    const auto value = [&]() -> const char* {
      if (word.size() < std::strlen(argv[i])) return given + 1;
      if (++i >= argc) refuse(word + " needs a value");
      return argv[i];
    };
    if (word == "--help") {
      std::cout << kHelp;
      std::exit(0);
    } else if (word == "--check") {
      options.checkOnly = true;
    } else if (word == "--data") {
      options.data = value();
    } else if (word == "--rounds") {
      options.rounds = numberOf(word, value());
    } else if (word == "--processes") {
      options.processes = numberOf(word, value());
    } else if (word == "--workers") {
      options.workers = numberOf(word, value());
    } else if (word.starts_with("-")) {
      refuse("unknown option " + word);
    } else {
      options.status = word;
    }
  }
  return options;
}

// The INI file that a deployer would write, made when there is none.
std::filesystem::path iniFileIn(const std::filesystem::path& data) {
  const std::filesystem::path file = data / "jade.ini";
  if (std::filesystem::exists(file)) return file;
  std::ofstream(file) << "; The node of the quickstart. Parameters: docs/ini.md\n"
                         "[JadeServer]\n"
                         "ServerTimeout=2000\n"
                         "; How long background workers wait for a lock.\n"
                         "BackgroundProcessServerTimeout=500\n"
                         "\n"
                         "[PersistentDb]\n"
                         "SystemFileDirectory=store\n"
                         "\n"
                         "[NephriteLog]\n"
                         "Level=Warning\n";
  return file;
}

void showProgress(const char* what, std::size_t done, std::size_t all) {
  if (::isatty(STDOUT_FILENO)) {
    std::cout << "\r  " << what << ' ' << done << " of " << all << "   " << std::flush;
    if (done >= all) std::cout << '\n';
  } else if (done >= all || done % 400 == 0) {
    std::cout << "  " << what << ' ' << done << " of " << all << std::endl;
  }
}

std::string milliseconds(Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
         " ms";
}

// "libs: worker-2 waits for exclusive since 12 ms; held by auditor-1 (share), worker-2 (update)"
std::string describe(const Lock& waiting, Process& process) {
  std::string name = waiting.targetName;
  const Object target = process.object(waiting.target);
  const std::string kind = target.className();
  if (kind == "Package" || kind == "Section") name = target.get<std::string>("name");
  std::string line = name + ": " + waiting.requestedBy.name + " waits for " +
                     std::string(nameOf(waiting.wanted)) + " since " +
                     milliseconds(waiting.elapsed);
  const char* before = "; held by ";
  for (const Lock& lock : process.system().getLocksOn(target)) {
    if (lock.waiting) continue;
    line += before + lock.requestedBy.name + " (" + std::string(nameOf(lock.type)) + ")";
    before = ", ";
  }
  return line;
}

// Prints who holds and who waits until the work is over.
void showLive(Process& process, const Tally& tally, std::uint64_t all,
              const std::stop_token& over) {
  const bool terminal = ::isatty(STDOUT_FILENO);
  const auto interval = terminal ? 200ms : 1000ms;
  std::size_t linesShown = 0;
  while (!over.stop_requested()) {
    std::this_thread::sleep_for(interval);
    if (terminal && linesShown > 0) std::cout << "\x1b[" << linesShown << "A\x1b[J";
    const System system = process.system();
    const auto held = system.getLocks(10'000);
    const auto waiting = system.getQueuedLocks(100);
    std::cout << "  " << tally.commits << " of " << all << " upgrades committed; " << held.size()
              << " locks held, " << waiting.size() << " requests wait, " << tally.timeouts
              << " timed out, " << tally.deadlocks << " deadlocks\n";
    linesShown = 1;
    for (const Lock& lock : waiting) {
      if (linesShown > 4) break;
      std::cout << "    " << describe(lock, process) << '\n';
      ++linesShown;
    }
    std::cout << std::flush;
  }
}

Work workOf(const Catalog& catalog) {
  Work work;
  work.target = catalog.target();
  for (const Object& package : catalog.packages()) work.packages.push_back(package.oid());
  for (const Object& section : catalog.sections()) work.sections.push_back(section.oid());
  return work;
}

std::uint64_t upgradesLeft(const Catalog& catalog) {
  std::uint64_t left = 0;
  for (const Object& package : catalog.packages()) {
    const int done = package.get<std::int32_t>("upgrades");
    if (done < catalog.target()) left += static_cast<std::uint64_t>(catalog.target() - done);
  }
  return left;
}

// The whole campaign: everybody at once, until every package has reached the target.
void upgradeAll(EmbeddedNode& database, Process& process, Catalog& catalog, const Options& options,
                Tally& tally) {
  const Work work = workOf(catalog);
  Journal journal(options.data / "acknowledged.log");
  const std::uint64_t left = upgradesLeft(catalog);
  std::random_device entropy;
  std::exception_ptr failure;  // Of the first participant that failed; applications then stop.
  std::mutex failureMutex;
  std::stop_source giveUp;
  const auto failed = [&](const std::exception_ptr& exception) {
    const std::scoped_lock hold(failureMutex);
    if (!failure) failure = exception;
    giveUp.request_stop();
  };
  // After what their threads use, so that they end first.
  std::vector<std::jthread> applications;
  std::vector<std::unique_ptr<BackgroundProcess>> workers;

  for (int i = 1; i <= options.processes; ++i) {
    const std::string name = "application-" + std::to_string(i);
    const Oid ledger = catalog.ledgerOf(name).oid();
    applications.emplace_back([&, name, ledger, seed = entropy()] {
      try {
        Process own = database.node().signOn({.user = "anna", .name = name});
        own.setDefaultLockTimeout(LockTimeout::of(30ms));  // People are impatient.
        Upgrader(own, ledger, work, journal, tally, seed).upgradeAnything(giveUp.get_token());
      } catch (...) {
        failed(std::current_exception());
      }
    });
  }
  for (int i = 1; i <= options.workers; ++i) {
    BackgroundProcess::Options worker;
    worker.name = "worker-" + std::to_string(i);
    worker.user = "batch";
    worker.report = [&](const BackgroundProcess::Failure& why) { failed(why.exception); };
    workers.push_back(std::make_unique<BackgroundProcess>(
        database.node(), worker,
        [&, ledger = catalog.ledgerOf(worker.name).oid(), seed = entropy()](
            Process& own, const std::stop_token& stop) {
          Upgrader(own, ledger, work, journal, tally, seed).upgradeBySection(stop);
        }));
  }
  std::vector<std::unique_ptr<BackgroundProcess>> auditors;
  for (int i = 1; i <= 2; ++i) {
    BackgroundProcess::Options auditor;
    auditor.name = "auditor-" + std::to_string(i);
    auditor.user = "clara";
    auditor.report = [&](const BackgroundProcess::Failure& why) { failed(why.exception); };
    auditors.push_back(std::make_unique<BackgroundProcess>(
        database.node(), auditor, [&, seed = entropy()](Process& own, const std::stop_token& stop) {
          Upgrader(own, Oid(), work, journal, tally, seed).audit(stop);
        }));
  }
  {
    std::jthread display(
        [&](const std::stop_token& over) { showLive(process, tally, left, over); });
    for (std::jthread& application : applications) application.join();
    for (const auto& worker : workers) worker->wait();
  }
  auditors.clear();  // Stops them.
  if (failure) std::rethrow_exception(failure);
}

void report(const Tally& tally, const RequestStatistics& statistics, Duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  std::printf("  %llu commits in %.1f s (%.0f a second)\n",
              static_cast<unsigned long long>(tally.commits.load()), seconds,
              static_cast<double>(tally.commits.load()) / seconds);
  std::printf("  %llu lock requests, %llu had to wait (%s in all)\n",
              static_cast<unsigned long long>(statistics.lockObjects),
              static_cast<unsigned long long>(statistics.queuedLocks),
              milliseconds(statistics.totalLockQueueWaitTime).c_str());
  std::printf("  %llu timeouts, %llu deadlocks, all retried\n",
              static_cast<unsigned long long>(tally.timeouts.load()),
              static_cast<unsigned long long>(tally.deadlocks.load()));
  std::fflush(stdout);
}

bool check(const EmbeddedNode::Options& node, const Options& options) {
  std::cout << "Checking the store, opened afresh, against the journal" << std::endl;
  EmbeddedNode database(node);
  Process process = database.node().signOn({.user = "clara", .name = "checker"});
  Catalog::defineClasses(process);
  const Catalog catalog(process);
  return checkStore(process, catalog, options.data / "acknowledged.log", std::cout);
}

int run(const Options& options) {
  std::filesystem::create_directories(options.data);
  EmbeddedNode::Options node;
  node.iniFile = iniFileIn(options.data);

  if (!options.checkOnly) {
    Tally tally;
    std::cout << "Opening the node (" << node.iniFile.string() << ")" << std::endl;
    EmbeddedNode database(node);
    Process process = database.node().signOn({.user = "clara", .name = "conductor"});
    Catalog::defineClasses(process);
    Catalog catalog(process);

    const std::vector<DebianPackage> packages = readDpkgStatus(options.status);
    std::cout << "Loading " << packages.size() << " packages of " << options.status.string()
              << std::endl;
    catalog.load(packages, [](std::size_t done, std::size_t all) {
      showProgress("stored and linked", done, all);
    });

    if (upgradesLeft(catalog) == 0) catalog.setTarget(catalog.target() + options.rounds);
    std::cout << "Upgrading every package to number " << catalog.target() << ": "
              << options.processes << " application processes, " << options.workers
              << " background workers, two auditors" << std::endl;
    const Instant start = SystemClock::instance().now();
    upgradeAll(database, process, catalog, options, tally);
    report(tally, process.system().getRequestStats(), SystemClock::instance().now() - start);
  }

  const bool adds = check(node, options);
  std::cout << (adds ? "Everything adds up." : "IT DOES NOT ADD UP.") << std::endl;
  return adds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& failure) {
    std::cerr << "sample_quickstart: " << failure.what() << '\n';
    return 1;
  }
}
