// How long a lock and its release take over a socket, beside a bare echo of as many bytes over the
// same kind of socket in the same run.
//
//     build/bench/bench_remote_round_trip [rounds]
//
// For each transport and each spin time (on both sides): the echo, one lock + unlock (one round
// trip: an unlock is not answered), and asking again for what is held (no message). Interleaved,
// five times; medians of the medians, with the least and the most. CPU is that of the whole program
// (client, server and echo threads) per operation.

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "node/client_node.h"
#include "node/server_node.h"

using namespace nephrite;

namespace {

constexpr int kRepetitions = 5;
constexpr std::size_t kEchoBytes = 128;

double microsecondsOfCpu() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return of(use.ru_utime) + of(use.ru_stime);
}

struct Result {
  std::vector<double> p50, p99, cpu;  // Microseconds; one of each repetition.
};

void measure(int rounds, const std::function<void()>& operation, Result& result) {
  for (int i = 0; i < rounds / 10; ++i) operation();
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(rounds));
  const double cpu = microsecondsOfCpu();
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    operation();
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
  }
  result.cpu.push_back((microsecondsOfCpu() - cpu) / rounds);
  std::sort(times.begin(), times.end());
  result.p50.push_back(times[times.size() / 2]);
  result.p99.push_back(times[times.size() * 99 / 100]);
}

/// Two ends of a socket pair and a thread that sends back what comes.
class Echo {
 public:
  Echo() {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) != 0) std::abort();
    thread_ = std::thread([this] {
      char bytes[kEchoBytes];
      for (;;) {
        const auto got = ::read(ends_[1], bytes, sizeof(bytes));
        if (got <= 0) return;
        if (::write(ends_[1], bytes, static_cast<std::size_t>(got)) != got) return;
      }
    });
  }
  ~Echo() {
    ::shutdown(ends_[0], SHUT_RDWR);
    thread_.join();
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void operator()() const {
    char bytes[kEchoBytes] = {};
    if (::write(ends_[0], bytes, sizeof(bytes)) != sizeof(bytes)) std::abort();
    std::size_t got = 0;
    while (got < sizeof(bytes)) {
      const auto more = ::read(ends_[0], bytes + got, sizeof(bytes) - got);
      if (more <= 0) std::abort();
      got += static_cast<std::size_t>(more);
    }
  }

 private:
  int ends_[2];
  std::thread thread_;
};

void print(const std::string& what, const Result& result) {
  const auto show = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    char text[64];
    std::snprintf(text, sizeof(text), "%8.2f (%7.2f..%7.2f)", values[values.size() / 2],
                  values.front(), values.back());
    return std::string(text);
  };
  std::printf("%-44s p50 %s  p99 %s  cpu %s\n", what.c_str(), show(result.p50).c_str(),
              show(result.p99).c_str(), show(result.cpu).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5'000;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("bench_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "jade.ini") << "[NephriteServer]\nPort=0\nUnixSocket=run/node.sock\n"
                                        "[NephriteLog]\nLevel=Warning\n";

  std::map<std::string, Result> results;
  std::vector<std::string> order;
  const auto record = [&](const std::string& name) -> Result& {
    if (!results.contains(name)) order.push_back(name);
    return results[name];
  };
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    {
      const Echo echo;
      measure(
          rounds, [&] { echo(); }, record("echo over a unix socket, 128 bytes"));
    }
    for (const int spin : {0, 20, 50, 200}) {
      ServerNode server({.iniFile = folder / "jade.ini",
                         .iniOverrides = {"NephriteServer.SpinTime=" + std::to_string(spin)}});
      for (const bool overUnix : {true, false}) {
        const std::string to = overUnix ? "Unix, " + server.unixSocket().string()
                                        : "TcpIPv4, 127.0.0.1, " + std::to_string(server.port());
        ClientNode client({.iniFile = folder / "jade.ini",
                           .iniOverrides = {"JadeClient.ServerNodeSpecifications=" + to,
                                            "NephriteClient.SpinTime=" + std::to_string(spin)}});
        Process process = client.node().signOn({.name = "bench"});
        process.defineClass({.name = "Thing"});
        process.beginTransaction();
        Object thing = process.create("Thing");
        process.commitTransaction();

        const std::string where =
            std::string(overUnix ? "unix" : "tcp") + ", spin " + std::to_string(spin) + " us: ";
        measure(
            rounds,
            [&] {
              thing.exclusiveLock();
              thing.unlock();
            },
            record(where + "lock + unlock"));
        thing.exclusiveLock();
        measure(
            rounds, [&] { thing.exclusiveLock(); }, record(where + "held, asked again"));
        thing.unlock();
      }
    }
  }
  std::printf("microseconds; %d rounds, %d repetitions: median (least..most)\n", rounds,
              kRepetitions);
  for (const std::string& name : order) print(name, results[name]);
  std::filesystem::remove_all(folder);
  return 0;
}
