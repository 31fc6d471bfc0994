#include "bench/peers/driver.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>

#include "bench/peers/private_server.h"

namespace peers {
namespace {

double clockNs(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

std::string running;  // What a failure is said to be of.

/// Undoes everything, says what was thrown, and ends the program. Threads of the case may still
/// run; nothing of theirs is worth waiting for.
[[noreturn]] void fail() {
  std::string what = "failed";
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::replace(what.begin(), what.end(), '\n', ' ');
  undoEverything();
  std::fprintf(stderr, "%s: %s\n", running.c_str(), what.c_str());
  std::fflush(nullptr);
  ::_exit(1);
}

}  // namespace

double threadCpuNs() { return clockNs(CLOCK_THREAD_CPUTIME_ID); }

double nowNs() { return clockNs(CLOCK_MONOTONIC); }

Stopwatch::Stopwatch() : wallStart_(nowNs()), cpuStart_(clockNs(CLOCK_PROCESS_CPUTIME_ID)) {}
double Stopwatch::wall() const { return nowNs() - wallStart_; }
double Stopwatch::cpu() const { return clockNs(CLOCK_PROCESS_CPUTIME_ID) - cpuStart_; }

double percentile(std::vector<double>& times, double fraction) {
  std::sort(times.begin(), times.end());
  return times[static_cast<std::size_t>(fraction * static_cast<double>(times.size()))];
}

double residentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  const bool read = file != nullptr && std::fscanf(file, "%lu %lu", &size, &resident) == 2;
  if (file != nullptr) std::fclose(file);
  require(read, "cannot read /proc/self/statm");
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void print(const Figure& figure) {
  // Names and variants are ours: nothing in them needs escaping.
  std::string line =
      "{\"system\": \"" + figure.system + "\", \"case\": \"" + figure.testCase +
      "\", \"variant\": \"" + figure.variant + "\", \"ops\": " + std::to_string(figure.ops) +
      ", \"wall_ns\": " + number(figure.wallNs) + ", \"cpu_ns\": " + number(figure.cpuNs);
  if (figure.p50Ns) line += ", \"p50_ns\": " + number(*figure.p50Ns);
  if (figure.p99Ns) line += ", \"p99_ns\": " + number(*figure.p99Ns);
  line += ", \"extra\": {";
  for (std::size_t i = 0; i < figure.extra.size(); ++i) {
    line +=
        (i == 0 ? "\"" : ", \"") + figure.extra[i].first + "\": " + number(figure.extra[i].second);
  }
  std::printf("%s}}\n", line.c_str());
  std::fflush(stdout);
}

int runDriver(int argc, char** argv, const std::vector<Case>& cases) {
  const std::string asked = argc == 2 ? argv[1] : "";
  if (asked == "--list") {
    for (const Case& each : cases) std::printf("%s\t%s\n", each.name.c_str(), each.what.c_str());
    return 0;
  }
  const auto found = std::find_if(cases.begin(), cases.end(),
                                  [&](const Case& each) { return each.name == asked; });
  if (found == cases.end()) {
    std::fprintf(stderr, "usage: %s --list | CASE (no case \"%s\")\n", argv[0], asked.c_str());
    return 1;
  }
  undoOnSignals();
  running = std::string(argv[0]) + " " + asked;
  std::set_terminate(fail);  // What is thrown in a thread of a case arrives there, and not here.
  try {
    found->run();
  } catch (...) {
    fail();
  }
  return 0;
}

}  // namespace peers
