#include "bench/peers/remote_load.h"

#include <poll.h>

namespace peers {
namespace {

/// Closed loop over all sessions. Leaves each of them with nothing under way.
class Loop {
 public:
  explicit Loop(Sessions& sessions)
      : sessions_(sessions),
        polls_(sessions.size() > 1 || !sessions[0]->blocks()),
        began_(sessions.size()) {
    for (const auto& session : sessions) polled_.push_back({session->socket(), POLLIN, 0});
  }

  /// The time of each operation that ended, in nanoseconds.
  std::vector<double> run(double seconds) {
    std::vector<double> times;
    const double end = nowNs() + seconds * 1e9;
    for (std::size_t i = 0; i < sessions_.size(); ++i) beginOne(i);
    std::size_t underWay = sessions_.size();
    while (underWay > 0) {
      if (polls_) wait();
      for (std::size_t i = 0; i < sessions_.size(); ++i) {
        if (began_[i] == 0) continue;
        if (polls_ && polled_[i].revents == 0) continue;
        if (!sessions_[i]->proceed()) continue;
        const double now = nowNs();
        times.push_back(now - began_[i]);
        began_[i] = 0;
        if (now < end) {
          beginOne(i);
        } else {
          --underWay;
        }
      }
    }
    return times;
  }

 private:
  void beginOne(std::size_t i) {
    began_[i] = nowNs();
    sessions_[i]->begin();
  }

  void wait() {
    constexpr int kMilliseconds = 10'000;
    require(::poll(polled_.data(), polled_.size(), kMilliseconds) > 0,
            "the server has not answered for ten seconds");
  }

  Sessions& sessions_;
  const bool polls_;
  std::vector<double> began_;  // 0: nothing under way.
  std::vector<pollfd> polled_;
};

}  // namespace

void measureRemote(const Load& load, Sessions& sessions, const PrivateServer& server,
                   std::vector<std::pair<std::string, double>> extra) {
  Loop loop(sessions);
  loop.run(load.seconds / 5);

  const double switches = load.countSwitches ? server.voluntarySwitches() : 0;
  const double serverCpu = server.cpuNs();
  const Stopwatch watch;
  std::vector<double> times = loop.run(load.seconds);
  const double wall = watch.wall(), cpu = watch.cpu();
  const double serverUsed = server.cpuNs() - serverCpu;

  const auto ops = static_cast<double>(times.size() * load.perBatch);
  extra.insert(extra.begin(), {"server_cpu_ns", serverUsed / ops});
  if (load.countSwitches) {
    extra.push_back({"wakes_per_grant", (server.voluntarySwitches() - switches) / ops});
  }
  Figure figure{.system = load.system,
                .name = load.name,
                .variant = load.variant,
                .ops = times.size() * load.perBatch,
                .wallNs = wall / ops,
                .cpuNs = cpu / ops};
  const double p50 = percentile(times, 0.5), p99 = percentile(times, 0.99);
  if (load.perBatch == 1) {
    figure.p50Ns = p50;
    figure.p99Ns = p99;
  } else {
    extra.push_back({"batch_p50_ns", p50});
    extra.push_back({"batch_p99_ns", p99});
  }
  figure.extra = std::move(extra);
  print(figure);
}

}  // namespace peers
