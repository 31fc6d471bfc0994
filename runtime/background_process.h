#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "runtime/node.h"

namespace nephrite {

/// A worker: a thread with a Process of its own, signed on as a background process.
///
/// Waits:   server-defined waits take BackgroundProcessServerTimeout. stop() cancels its lock
///          waits and asks the body, through its stop token, to return.
/// Errors:  when the body throws, `report` is told, and by `whenItThrows` the worker ends or
///          starts again with a fresh process after a pause of random length (two victims of one
///          deadlock should not meet again).
/// Threads: any method, from any thread but the worker's own; `report` is called on the worker's.
class BackgroundProcess {
 public:
  /// Runs until it returns (done) or throws. `stop` also cancels all waits of `process`.
  using Body = std::function<void(Process& process, std::stop_token stop)>;

  enum class WhenItThrows { Report, Restart };
  enum class State { Running, Pausing, Done, Stopped, Failed };

  struct Failure {
    std::string worker;
    std::string what;
    unsigned failures = 0;                               ///< Including this one.
    std::optional<std::chrono::milliseconds> restartIn;  ///< Empty when it ended.
    std::exception_ptr exception;
  };

  struct Options {
    std::string name = "worker";
    std::string user{};
    WhenItThrows whenItThrows = WhenItThrows::Report;
    /// The pause before restart n is random between half and all of
    /// min(longestPause, firstPause * 2^(n-1)).
    std::chrono::milliseconds firstPause{100};
    std::chrono::milliseconds longestPause{30'000};
    unsigned maxRestarts = UINT_MAX;
    std::function<void(const Failure&)> report{};  ///< Empty: failures are logged.
  };

  /// Starts the thread. `node` must outlive this.
  BackgroundProcess(Node& node, Options options, Body body);
  ~BackgroundProcess();  ///< stop() and wait.
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;

  void requestStop();
  void stop();  ///< requestStop() and wait until the thread has ended.
  void wait();  ///< Until the body is done or failed for good.
  State state() const;
  const std::string& name() const;

 private:
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace nephrite
