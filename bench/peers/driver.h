#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace peers {

/// One row of the bench: one JSON object on one line. Times are nanoseconds per operation.
struct Figure {
  std::string system;
  std::string testCase;
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

/// The whole of main(): `--list`, or one case by name. Reports what is thrown on one line of
/// stderr, after everything that was begun (private_server.h) has been undone.
int runDriver(int argc, char** argv, const std::vector<Case>& cases);

/// Wall and CPU time since the start; both in nanoseconds.
class Stopwatch {
 public:
  Stopwatch();
  double wall() const;
  double cpu() const;

 private:
  double wallStart_, cpuStart_;
};

/// CPU time of the calling thread.
double threadCpuNs();

double nowNs();

/// Sorts `times`. 0 <= fraction < 1; `times` must not be empty.
double percentile(std::vector<double>& times, double fraction);

/// Throws with `what` unless `holds`. A measurement whose premise failed is no measurement.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

/// Bytes of memory that this program has in use: /proc/self/statm.
double residentBytes();

/// "1 connection", "8 connections".
std::string counted(std::size_t count, const std::string& noun);

}  // namespace peers
