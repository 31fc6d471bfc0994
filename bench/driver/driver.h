#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// One row of the bench: one JSON object on one line of stdout. Times are nanoseconds per
/// operation.
struct Figure {
  std::string system;
  std::string name;  ///< Of the case.
  std::string variant = {};
  std::uint64_t ops = 0;
  double wallNs = 0;
  double cpuNs = 0;  ///< User + system time of this program, never of a server.
  std::optional<double> p50Ns = {}, p99Ns = {};
  std::vector<std::pair<std::string, double>> extra = {};
};

void print(const Figure& figure);

/// What a driver can measure. `run` does one repetition and prints its figures.
struct Case {
  std::string name;
  std::string what;
  std::function<void()> run;
};

/// The whole of main(): `--list`, or one case by name. What is thrown, in whatever thread, becomes
/// one line of stderr and status 1, after `undo` has ended what the case has started.
int runDriver(int argc, char** argv, const std::vector<Case>& cases, void (*undo)() = nullptr);

double nowNs();           ///< CLOCK_MONOTONIC.
double cpuNs();           ///< Of this program, all threads.
double threadCpuNs();     ///< Of this thread.
double cpuNsOf(int pid);  ///< Of another one.

/// Wall and CPU time since the start.
class Stopwatch {
 public:
  Stopwatch() : wallStart_(nowNs()), cpuStart_(cpuNs()) {}
  double wall() const { return nowNs() - wallStart_; }
  double cpu() const { return cpuNs() - cpuStart_; }

 private:
  double wallStart_, cpuStart_;
};

/// Sorts `times`, which must not be empty. 0 <= fraction < 1.
double percentile(std::vector<double>& times, double fraction);

/// Throws with `what` unless `holds`: a measurement whose premise failed is none.
inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// "1 thread", "2 threads".
std::string counted(std::size_t count, const std::string& noun);

double voluntarySwitches();  ///< Of this program's threads so far: how often one went to sleep.
double residentBytes();      ///< Memory of this program that is in use, from the kernel.
double heapBytes();          ///< ... and what its allocator has given out.

/// Keeps this thread, and the threads and programs it starts from now on, on one core. False when
/// there is no such core, or it is not allowed.
bool stayOnCore(int core);
void useAllCores();

/// Where a client and its server run. Whether the scheduler puts both on one core or each on its
/// own changes a round trip by a factor: only like placements can be held against each other.
enum class Placement { Free, OneCore, TwoCores };
std::string nameOf(Placement placement);  ///< Ends a variant: "", ", one core", ", two cores".
/// Call the first before the server is started, the second before its clients. False: not here.
bool placeServer(Placement placement);
void placeClients(Placement placement);

constexpr std::size_t kBatch = 100;  ///< Operations between two looks at the clock.

/// Times `count` operations in batches of kBatch; p50 and p99 are of batches. `operation(i)`.
template <class Operation>
Figure measure(Figure figure, std::size_t count, const Operation& operation) {
  std::vector<double> batches;
  batches.reserve(count / kBatch);
  const Stopwatch watch;
  double last = nowNs();
  for (std::size_t done = 0; done + kBatch <= count; done += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) operation(done + i);
    const double now = nowNs();
    batches.push_back((now - last) / kBatch);
    last = now;
  }
  const double wall = watch.wall(), cpu = watch.cpu();
  figure.ops = batches.size() * kBatch;
  figure.wallNs = wall / static_cast<double>(figure.ops);
  figure.cpuNs = cpu / static_cast<double>(figure.ops);
  figure.p50Ns = percentile(batches, 0.5);
  figure.p99Ns = percentile(batches, 0.99);
  return figure;
}

}  // namespace bench
