#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "journal.h"
#include "runtime/nephrite.h"

/// What happened so far, counted by all who take part.
struct Tally {
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint64_t> deadlocks{0};
  std::atomic<std::uint64_t> retries{0};
};

/// The work to be done, as plain Oids: each participant makes its own handles of them.
struct Work {
  std::vector<nephrite::Oid> packages;
  std::vector<nephrite::Oid> sections;
  int target = 0;
  std::chrono::microseconds unpacking{2000};  ///< How long a package takes, its locks held.
};

/// One participant that upgrades packages: an application process or a background worker.
///
/// An upgrade is one transaction: Reserve the package before deciding, Share what it depends on,
/// Update the package and its section, change them, raise its own ledger, commit. Reserve and
/// Update let readers stay; the commit makes Exclusive what was updated and waits for the readers.
class Upgrader {
 public:
  Upgrader(nephrite::Process& process, nephrite::Oid ledger, const Work& work, Journal& journal,
           Tally& tally, std::uint64_t seed);

  /// Application: the next packages of the list, until all have reached the target or `stop`.
  void upgradeAnything(const std::stop_token& stop);

  /// Worker: claims a section for itself with a Session lock, works through it, then the next.
  void upgradeBySection(const std::stop_token& stop);

  /// Auditor: now and then reads some packages and their sections in lock state, and takes its
  /// time.
  void audit(const std::stop_token& stop);

 private:
  /// False when it needs no upgrade any more.
  bool upgrade(nephrite::Object package, const std::stop_token& stop);
  bool tryUpgrade(nephrite::Object& package, const std::stop_token& stop);
  void pauseBeforeRetry(unsigned failures, const std::stop_token& stop);
  bool isDone(const nephrite::Object& package) const;

  nephrite::Process& process_;
  const nephrite::Oid ledger_;
  const Work& work_;
  Journal& journal_;
  Tally& tally_;
  std::mt19937_64 random_;
};
