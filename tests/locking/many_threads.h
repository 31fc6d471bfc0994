#pragma once

#include <cstdint>
#include <thread>
#include <vector>

namespace nephrite {

/// Runs work(0), work(1) ... each on a thread of its own, and waits until all have ended.
template <class Work>
void runOnThreads(std::uint64_t threads, const Work& work) {
  std::vector<std::thread> running;
  for (std::uint64_t i = 0; i < threads; ++i) running.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : running) thread.join();
}

}  // namespace nephrite
