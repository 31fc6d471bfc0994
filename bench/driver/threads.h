#pragma once

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/driver/driver.h"

namespace bench {

/// What several threads did together.
struct Together {
  std::uint64_t ops = 0;
  double wall = 0, cpu = 0;   ///< Of all operations; nanoseconds.
  double switches = 0;        ///< Voluntary ones.
  double serverCpu = 0;       ///< When a server's process id was given.
  std::vector<double> times;  ///< Of single operations, when asked for.
};

struct Run {
  std::size_t threads = 1;
  double warmUp = 0;  ///< Seconds.
  double seconds = 0.4;
  bool timed = false;     ///< Each operation by itself.
  int server = 0;         ///< Process id.
  std::size_t batch = 1;  ///< Operations between two looks at whether to end.
};

/// Each thread makes its operation by `make(thread)` and repeats it. What one throws ends all and
/// is thrown here. The clock runs from when all are ready to when all have ended.
template <class Make>
Together inThreads(const Run& run, const Make& make) {
  std::atomic<bool> warm{run.warmUp == 0}, end{false};
  std::atomic<std::uint64_t> ops{0};
  std::barrier ready(static_cast<std::ptrdiff_t>(run.threads) + 1);
  std::mutex mutex;
  std::exception_ptr failure;
  Together together;
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < run.threads; ++t) {
    running.emplace_back([&, t] {
      std::uint64_t mine = 0;
      std::vector<double> times;
      int toPass = 2;
      try {
        auto operation = make(t);
        while (!warm && !end) operation();
        for (; toPass > 0; --toPass) ready.arrive_and_wait();
        while (!end.load(std::memory_order_relaxed)) {
          const double start = run.timed ? nowNs() : 0;
          for (std::size_t i = 0; i < run.batch; ++i) operation();
          if (run.timed) times.push_back((nowNs() - start) / static_cast<double>(run.batch));
          mine += run.batch;
        }
      } catch (...) {
        const std::lock_guard hold(mutex);
        if (!failure) failure = std::current_exception();
        end = true;
        for (; toPass > 0; --toPass) ready.arrive_and_wait();
      }
      ops += mine;
      const std::lock_guard hold(mutex);
      together.times.insert(together.times.end(), times.begin(), times.end());
    });
  }
  if (run.warmUp > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(run.warmUp));
    warm = true;
  }
  ready.arrive_and_wait();  // All are warm.
  const double switches = voluntarySwitches();
  const double serverCpu = run.server != 0 ? cpuNsOf(run.server) : 0;
  const Stopwatch watch;
  ready.arrive_and_wait();
  std::this_thread::sleep_for(std::chrono::duration<double>(run.seconds));
  end = true;
  for (std::thread& thread : running) thread.join();
  if (failure) std::rethrow_exception(failure);
  together.wall = watch.wall();
  together.cpu = watch.cpu();
  together.switches = voluntarySwitches() - switches;
  if (run.server != 0) together.serverCpu = cpuNsOf(run.server) - serverCpu;
  together.ops = ops;
  require(together.ops > 0, "no operation ended in time");
  return together;
}

/// Per operation; `perOp` operations of the figure are one of `together`.
inline Figure figureOf(Figure figure, Together& together, std::size_t perOp = 1) {
  figure.ops = together.ops * perOp;
  const auto count = static_cast<double>(figure.ops);
  figure.wallNs = together.wall / count;
  figure.cpuNs = together.cpu / count;
  if (!together.times.empty()) {
    const double p50 = percentile(together.times, 0.5), p99 = percentile(together.times, 0.99);
    if (perOp == 1) {
      figure.p50Ns = p50;
      figure.p99Ns = p99;
    } else {
      figure.extra.push_back({"batch_p50_ns", p50});
      figure.extra.push_back({"batch_p99_ns", p99});
    }
  }
  if (together.serverCpu > 0) figure.extra.push_back({"server_cpu_ns", together.serverCpu / count});
  return figure;
}

}  // namespace bench
