// Transactions on a store on disk.

#include <random>

#include "bench/driver/server_process.h"
#include "bench/driver/threads.h"
#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"

namespace bench::cases {
namespace {

constexpr std::size_t kStored = 100'000, kUpdated = 10, kBytes = 100;

// Each process changes objects of its own: what commits cost, not how processes wait.
void commits(std::size_t processes, bool sync, const std::string& variant) {
  const ScratchFolder scratch;
  ObjectStore::Options options;
  options.directory = scratch.path() / "store";
  options.syncCommits = sync;
  const auto database = std::make_shared<LocalDatabase>(
      ObjectStore::open(options), SystemClock::instance(), LocalDatabase::Options{});
  Node node = Node::signOn(database, "bench");
  Process maker = node.signOn({.name = "maker"});
  const std::vector<Oid> oids = makeThings(maker, kStored, std::string(kBytes, 'x'));

  // Made from a number, as the keys of the peer are: a table of them would be in no cache.
  const Oid first = oids.front();
  require(oids.back().bits() - first.bits() == kStored - 1, "the objects have gaps between them");

  struct Committer {
    Process process;
    std::mt19937_64 random;
    std::uint64_t committed = 0;
    double inCommit = 0;
  };
  std::vector<std::unique_ptr<Committer>> committers(processes);
  Together together = inThreads(
      {.threads = processes, .warmUp = 0.1, .seconds = 0.6, .timed = true}, [&](std::size_t t) {
        committers[t].reset(new Committer{node.signOn({.name = "committer"}), std::mt19937_64(t)});
        return [first, &own = *committers[t], t, processes] {
          // Another one each time, and made as quickly as the peer's values are.
          std::string text(kBytes, 'a');
          for (std::size_t i = 0; i < kBytes; ++i)
            text[i] = static_cast<char>('a' + (own.committed + i) % 16);
          own.process.beginTransaction();
          const std::size_t slots = kStored / processes / kUpdated;
          for (std::size_t i = 0; i < kUpdated; ++i) {
            const std::size_t slot = i * slots + own.random() % slots;  // No object twice.
            const Oid oid = Oid::fromBits(first.bits() + slot * processes + t);
            own.process.object(oid).set("text", text);
          }
          const double start = nowNs();
          own.process.commitTransaction();
          own.inCommit += nowNs() - start;
          ++own.committed;
        };
      });
  std::uint64_t committed = 0;
  double inCommit = 0;
  for (const auto& one : committers) {
    committed += one->committed;
    inCommit += one->inCommit;
  }
  std::uint64_t editions = 0;
  for (const Oid oid : oids) editions += maker.object(oid).edition() - 1;
  require(editions == committed * kUpdated, "not every commit is in the store");
  Figure figure = figureOf({.system = kSystem, .name = "commit_10", .variant = variant}, together);
  figure.extra.push_back({"in_commit_ns", inCommit / static_cast<double>(committed)});
  print(figure);
}

}  // namespace

void commit10() {
  commits(1, false, "sync off");
  commits(1, true, "sync on, 1 process");
  commits(16, true, "sync on, 16 processes");
}

}  // namespace bench::cases
