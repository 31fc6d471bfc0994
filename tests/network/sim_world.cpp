#include "tests/network/sim_world.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/network/sim_client.h"
#include "tests/network/sim_server.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kServerTimeout{700};
constexpr milliseconds kBackgroundTimeout{900};
constexpr std::uint64_t kCallsBetweenChecks = 8;

// One store serves all seeds of a program: each has its own objects in it.
const std::shared_ptr<ObjectStore>& storeInMemory() {
  static const std::shared_ptr<ObjectStore> store = [] {
    ObjectStore::Options options;
    options.inMemory = true;
    return std::shared_ptr<ObjectStore>(ObjectStore::open(options));
  }();
  return store;
}

Oid::ClassNumber networkClass() {
  static const Oid::ClassNumber number = [] {
    ClassDef wanted;
    wanted.name = "NetworkObject";
    wanted.properties = {{"n", ValueType::Integer64}};
    return storeInMemory()->defineClass(wanted)->number;
  }();
  return number;
}

class World {
 public:
  World(std::uint64_t seed, Report& report)
      : report_(report),
        random_(seed),
        more_(~seed),
        latest_(seed + 0x1ea5e),
        scopes_(seed + 0x5c09e),
        record_(agenda_, report) {
    network_.pump = [this] { NEPHRITE_CHECK(runOne(agenda_.now() + std::chrono::hours(1))); };
  }

  void play() {
    begin();
    runFor(milliseconds(1'500 + random_.below(2'500)));
    finish();
  }

 private:
  void begin();
  void temper();
  void temperMore();
  void temperLeasesAndFamilies();
  void temperScopes();
  void makeObjects();
  void fault();
  void slowReader();
  void takeFromCommit();
  void restart();
  void finish();
  void checkStore();
  bool runOne(Instant end);
  void runFor(Duration time);
  milliseconds upTo(int most) { return milliseconds(1 + random_.below(most)); }

  Report& report_;
  Agenda agenda_;
  Random random_;
  Random more_;    // Says what a seed plays beyond what all play: that is as it was before.
  Random latest_;  // The same of leases and families.
  Random scopes_;  // The same of places and scopes.
  Record record_;
  SimNetwork network_{agenda_, random_, report_};
  ServerLimits limits_;
  ClientTemper temper_;
  int slowestCommit_ = 10;
  int faultEvery_ = 0;
  int residents_ = 0;
  int slowEvery_ = 0;
  bool takesFromCommits_ = false;
  bool cuts_ = false, deafens_ = false, abandons_ = false;
  bool pausesClients_ = false, pausesServer_ = false, restarts_ = false;
  std::uint64_t nextCheck_ = 0;
  std::vector<std::pair<Oid, Oid>> places_;  // Each object, and the one that it is right below.
  std::unique_ptr<SimServer> server_;
  std::vector<std::unique_ptr<SimClient>> clients_;
};

void World::temper() {
  limits_.keepAlive = milliseconds(300 + random_.below(700));
  if (random_.oneIn(2)) limits_.grace = milliseconds(200 + random_.below(2'000));
  network_.mostDelay = random_.oneIn(3) ? 60 : 5;
  if (random_.oneIn(3)) network_.burstOneIn = 20 + random_.below(200);
  if (random_.oneIn(3)) network_.refuseOneIn = 2 + random_.below(4);
  network_.losesEnds = random_.oneIn(2);
  if (random_.oneIn(3)) slowestCommit_ = 300;
  if (random_.oneIn(12)) slowestCommit_ = 20'000;
  if (!random_.oneIn(5)) faultEvery_ = 100 + random_.below(800);
  cuts_ = random_.oneIn(2);
  deafens_ = random_.oneIn(3);
  abandons_ = random_.oneIn(3);
  pausesClients_ = random_.oneIn(3);
  pausesServer_ = random_.oneIn(4);
  restarts_ = random_.oneIn(4);

  temper_.processes = 1 + random_.below(3);
  temper_.pause = 20 + random_.below(150);
  temper_.sessionOneIn = 2 + random_.below(5);
  temper_.cancelOneIn = 3 + random_.below(12);
  temper_.updateLocksOneIn = 1 + random_.below(3);
  if (random_.oneIn(3)) temper_.operatorOneIn = 10 + random_.below(60);
  temper_.goesOnAfterUnknown = random_.oneIn(4);
  temper_.slowestCommit = slowestCommit_;
  temper_.database.threads = false;
  temper_.database.backgroundTimeout = kBackgroundTimeout;
  temper_.database.session.keepAlive = milliseconds(5'000);
  temper_.database.session.connectTimeout = milliseconds(2'000);
  temper_.database.session.firstPause = milliseconds(20);
  temper_.database.session.longestPause = milliseconds(300);
}

void World::temperMore() {
  if (more_.oneIn(3)) temper_.lockAllOneIn = 3 + more_.below(10);
  temper_.atOnce = more_.oneIn(2);
  temper_.readsOthers = more_.oneIn(2);
  if (more_.oneIn(3)) temper_.createOneIn = 4 + more_.below(16);
  takesFromCommits_ = temper_.mixesLocks = more_.oneIn(3);
  if (!more_.oneIn(4)) return;
  slowEvery_ = 100 + more_.below(600);
  network_.mostUnread = limits_.slowReaderWarning =
      static_cast<std::size_t>(50 + more_.below(more_.oneIn(2) ? 300 : 2'000));
  limits_.slowReaderLimit = limits_.slowReaderWarning +
                            static_cast<std::size_t>(more_.below(more_.oneIn(2) ? 500 : 8'000));
  if (more_.oneIn(4)) residents_ = 1 + more_.below(3);
}

void World::temperLeasesAndFamilies() {
  if (latest_.oneIn(3)) temper_.leaseOneIn = 1 + latest_.below(5);
  if (latest_.oneIn(3)) temper_.childOneIn = 8 + latest_.below(30);
  temper_.isToldSoon = slowEvery_ == 0;
}

// What becomes of places when objects come and go is not played, nor what families do there: where
// a request stands that a descendant alone keeps waiting below an own lock is open.
void World::temperScopes() {
  if (temper_.createOneIn != 0 || temper_.childOneIn != 0) return;
  if (scopes_.oneIn(2)) temper_.subtreeOneIn = 1 + scopes_.below(4);
}

void World::makeObjects() {
  const int objects = 2 + random_.below(3);
  ChangeSet created;
  std::vector<std::pair<Oid, std::string>> paths;
  for (int i = 0; i < objects; ++i) {
    const Oid oid = storeInMemory()->newOid(networkClass());
    created.changes.push_back({ChangeKind::Create, {oid, 1, {std::int64_t{0}}, {}}});
    std::string path;
    if (temper_.subtreeOneIn != 0) {
      const auto above = static_cast<std::size_t>(scopes_.below(i + 1));  // Itself: the root.
      if (above < paths.size()) places_.emplace_back(oid, paths[above].first);
      path = (above < paths.size() ? paths[above].second : "") + "/" + std::to_string(i);
    }
    paths.emplace_back(oid, path);
    record_.addObject(oid, path);
  }
  storeInMemory()->commit(created);
}

void World::begin() {
  temper();
  temperMore();
  temperLeasesAndFamilies();
  temperScopes();
  record_.setTimeouts(kServerTimeout, kBackgroundTimeout);
  makeObjects();
  server_ = std::make_unique<SimServer>(network_, record_, storeInMemory(), limits_, kServerTimeout,
                                        kBackgroundTimeout, slowestCommit_);
  server_->setResidents(residents_);
  server_->setPlaces(places_);
  server_->start();
  const int clients = 2 + random_.below(2);
  for (int i = 0; i < clients; ++i) {
    temper_.database.session.seed = random_.next();
    clients_.push_back(std::make_unique<SimClient>(network_, record_, i, temper_));
  }
  for (const auto& one : clients_) {
    for (const auto& other : clients_) {
      if (one != other) one->others.push_back(other.get());
    }
    one->start();
  }
  if (faultEvery_ > 0) agenda_.in(upTo(faultEvery_), kNetwork, [this] { fault(); });
  if (takesFromCommits_) agenda_.in(upTo(10), kNetwork, [this] { takeFromCommit(); });
  if (slowEvery_ > 0) agenda_.in(upTo(slowEvery_), kNetwork, [this] { slowReader(); });
}

bool World::runOne(Instant end) {
  if (!agenda_.runNext(end)) return false;
  if (record_.calls() >= nextCheck_ && server_->isListening()) {
    server_->database().checkInvariants();
    record_.checkTable(server_->database());
    nextCheck_ = record_.calls() + kCallsBetweenChecks;
  }
  return true;
}

void World::runFor(Duration time) {
  const Instant end = agenda_.now() + time;
  while (report_.failure().empty() && runOne(end)) {
  }
}

// --- What goes wrong -----------------------------------------------------------------------------

void World::fault() {
  if (faultEvery_ == 0) return;
  agenda_.in(upTo(2 * faultEvery_), kNetwork, [this] { fault(); });
  const int client = random_.below(static_cast<int>(clients_.size()));
  const auto link = clients_[static_cast<std::size_t>(client)]->carrier().link();
  const std::string name = "c" + std::to_string(client);
  const auto trace = [&](const std::string& what) { report_.trace(agenda_, "--- ", what); };
  switch (random_.below(6)) {
    case 0:
      if (!cuts_ || !link) return;
      trace("the connection of " + name + " is cut");
      return link->cut();
    case 1: {
      if (!deafens_ || !link) return;
      const bool towardsServer = random_.oneIn(2);
      trace(towardsServer ? name + " is heard no more" : name + " hears no more");
      return link->deafen(towardsServer);
    }
    case 2:
      if (!abandons_ || !link) return;
      trace(name + " loses its connection, the server does not know");
      return link->abandon();
    case 3: {
      if (!pausesClients_ || agenda_.isPaused(client)) return;
      const milliseconds time = upTo(static_cast<int>(limits_.keepAlive.count()) * 3);
      trace(name + " pauses for " + std::to_string(time.count()) + " ms");
      report_.count(time > limits_.keepAlive + limits_.grace ? "long client pause"
                                                             : "client pause");
      return agenda_.pause(client, agenda_.now() + time);
    }
    case 4: {
      if (!pausesServer_ || agenda_.isPaused(kServer)) return;
      const milliseconds time = upTo(1'500);
      trace("the server pauses for " + std::to_string(time.count()) + " ms");
      report_.count("server pause");
      return agenda_.pause(kServer, agenda_.now() + time);
    }
    case 5:
      if (restarts_ && server_->isListening()) restart();
      return;
    default: return;
  }
}

// An operator takes a lock that a commit relies on which waits for others.
void World::takeFromCommit() {
  if (!takesFromCommits_) return;
  agenda_.in(upTo(10), kNetwork, [this] { takeFromCommit(); });
  const auto held = record_.heldBesideWaits();
  if (held.empty()) return;
  const auto [victim, object] = held.front();
  const int by = random_.below(static_cast<int>(clients_.size()));
  SimClient& client = *clients_[static_cast<std::size_t>(by)];
  agenda_.in(Duration(0), by,
             [&client, victim = victim, object = object] { client.takeByForce(victim, object); });
}

// A client that reads a little now and then, or nothing for a while.
void World::slowReader() {
  if (slowEvery_ == 0) return;
  agenda_.in(upTo(2 * slowEvery_), kNetwork, [this] { slowReader(); });
  const int client = random_.below(static_cast<int>(clients_.size()));
  const auto link = clients_[static_cast<std::size_t>(client)]->carrier().link();
  const milliseconds time = upTo(random_.oneIn(2) ? 300 : 1'500);
  const milliseconds pause = random_.oneIn(3) ? time : upTo(60);
  const auto bytes = static_cast<std::size_t>(random_.below(random_.oneIn(2) ? 100 : 600));
  if (!link) return;
  report_.trace(agenda_, "--- c", std::to_string(client), " reads slowly for ",
                std::to_string(time.count()), " ms");
  link->readSlowly(time, bytes, pause);
}

void World::restart() {
  const bool bySurprise = random_.oneIn(2);
  const milliseconds down = upTo(1'000);
  agenda_.in(Duration(0), kServer, [this, bySurprise, down] {
    if (!server_->isListening()) return;
    report_.count(bySurprise ? "server dies" : "server restarts");
    server_->stop(bySurprise);
    agenda_.in(down, kServer, [this] { server_->start(); });
  });
}

// --- The end -------------------------------------------------------------------------------------

void World::finish() {
  faultEvery_ = slowEvery_ = 0;
  takesFromCommits_ = false;
  network_.burstOneIn = network_.refuseOneIn = 0;
  network_.losesEnds = false;
  for (const auto& client : clients_) client->stop();
  server_->setResidents(0);
  if (Residents* const residents = server_->residents()) residents->stop();
  const auto isAsking = [](const auto& client) { return client->isAsking(); };
  runFor(2 * limits_.keepAlive + limits_.grace + milliseconds(3'000));
  for (int i = 0; i < 30 && std::any_of(clients_.begin(), clients_.end(), isAsking); ++i) {
    runFor(milliseconds(1'000));
  }
  if (!report_.failure().empty()) return;
  if (std::any_of(clients_.begin(), clients_.end(), isAsking)) report_.fail("no answer at all");
  runFor(milliseconds(slowestCommit_ + 1'000));
  for (const auto& client : clients_) client->checkViews(server_->recorded());
  record_.checkTable(server_->database());
  checkStore();
  if (Residents* const residents = server_->residents()) {
    if (residents->isAsking()) report_.fail("a resident is not answered");
    residents->close();
  }
  for (const auto& client : clients_) client->close();
  runFor(2 * limits_.keepAlive + limits_.grace + milliseconds(100));
  if (!report_.failure().empty()) return;
  LocalDatabase& database = server_->database();
  database.checkInvariants();
  if (!database.locksHeld(Lifetime::Persistent, 1).empty()) report_.fail("a lock is left");
  if (!database.queuedRequests(Lifetime::Persistent, 1).empty()) report_.fail("a wait is left");
  if (!database.processes().empty()) report_.fail("a process is left");
  if (!database.nodes().empty()) report_.fail("a node is left");
}

void World::checkStore() {
  for (const Oid oid : record_.objects()) {
    const RecordPtr stored = storeInMemory()->fetch(oid);
    if (!record_.isThere(oid)) {
      if (stored) report_.fail(record_.nameOf(oid) + " is stored, and should not be there");
      continue;
    }
    if (stored && stored->edition == record_.editionOf(oid) &&
        stored->edition == record_.modelEditionOf(oid) &&
        std::get<std::int64_t>(stored->values.front()) == stored->edition - 1) {
      continue;
    }
    report_.fail(record_.nameOf(oid) + " has edition " +
                 std::to_string(stored ? stored->edition : 0) + ", " +
                 std::to_string(record_.editionOf(oid) - 1) + " commits changed it");
  }
}

}  // namespace

std::unique_ptr<Report> playSeed(std::uint64_t seed, bool traces) {
  auto report = std::make_unique<Report>(traces);
  World(seed, *report).play();
  return report;
}

}  // namespace nephrite
