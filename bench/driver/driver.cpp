#include "bench/driver/driver.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>

namespace bench {
namespace {

double read(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

std::string running;           // What a failure is said to be of.
void (*undoCase)() = nullptr;  // Before the program ends with one.

/// Says what was thrown and ends the program. Threads of the case may still run; nothing of theirs
/// is worth waiting for.
[[noreturn]] void fail() {
  std::string what = "failed";
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::replace(what.begin(), what.end(), '\n', ' ');
  if (undoCase != nullptr) undoCase();
  std::fprintf(stderr, "%s: %s\n", running.c_str(), what.c_str());
  std::fflush(nullptr);
  ::_exit(1);
}

}  // namespace

double nowNs() { return read(CLOCK_MONOTONIC); }
double cpuNs() { return read(CLOCK_PROCESS_CPUTIME_ID); }
double threadCpuNs() { return read(CLOCK_THREAD_CPUTIME_ID); }

double cpuNsOf(int pid) {
  clockid_t clock{};
  require(::clock_getcpuclockid(pid, &clock) == 0, "no CPU clock of the server process");
  return read(clock);
}

double percentile(std::vector<double>& times, double fraction) {
  const auto at = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(times.size()));
  std::nth_element(times.begin(), times.begin() + at, times.end());
  return times[static_cast<std::size_t>(at)];
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

double voluntarySwitches() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_nvcsw);
}

double residentBytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  const bool known = file != nullptr && std::fscanf(file, "%lu %lu", &size, &resident) == 2;
  if (file != nullptr) std::fclose(file);
  require(known, "cannot read /proc/self/statm");
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double heapBytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

bool stayOnCore(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  return ::sched_setaffinity(0, sizeof(cores), &cores) == 0;
}

void useAllCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int core = 0; core < CPU_SETSIZE; ++core) CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof(cores), &cores);  // The kernel leaves out what is not there.
}

std::string nameOf(Placement placement) {
  switch (placement) {
    case Placement::Free: return "";
    case Placement::OneCore: return ", one core";
    case Placement::TwoCores: return ", two cores";
  }
  return "?";
}

bool placeServer(Placement placement) {
  useAllCores();
  if (placement == Placement::Free) return true;
  return stayOnCore(placement == Placement::TwoCores ? 1 : 0);
}

void placeClients(Placement placement) {
  if (placement != Placement::Free) require(stayOnCore(0), "cannot stay on the first core");
}

void print(const Figure& figure) {
  // Names and variants are ours: nothing in them needs escaping.
  std::string line =
      "{\"system\": \"" + figure.system + "\", \"case\": \"" + figure.name + "\", \"variant\": \"" +
      figure.variant + "\", \"ops\": " + std::to_string(figure.ops) +
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

int runDriver(int argc, char** argv, const std::vector<Case>& cases, void (*undo)()) {
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
  running = std::string(argv[0]) + " " + asked;
  undoCase = undo;
  std::set_terminate(fail);  // What is thrown in a thread of a case arrives there, and not here.
  try {
    found->run();
  } catch (...) {
    fail();
  }
  return 0;
}

}  // namespace bench
