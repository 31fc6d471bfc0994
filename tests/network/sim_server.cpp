#include "tests/network/sim_server.h"

#include <algorithm>
#include <utility>

#include "node/wire/messages.h"

namespace nephrite {

using std::chrono::milliseconds;

SimServer::Life::Life(SimServer& server)
    : database(server.store_, server.network_.agenda.clock(),
               {.locks = {.serverTimeout = server.serverTimeout_,
                          .backgroundTimeout = server.backgroundTimeout_},
                .threads = false,
                .recordCommits = true,
                .committed =
                    [this](const ChangeSet& changes) {
                      if (sessions) sessions->committed(changes);
                    },
                .lapsed =
                    [this](const LockAnswer& lapsed) {
                      if (sessions) sessions->lapsed(lapsed);
                    }}),
      recorded(database, server.record_) {
  database.whenAnyLapses(
      [&record = server.record_](const LockAnswer& lapsed) { record.lapsed(lapsed); });
  sessions = std::make_unique<ServerSessions>(recorded, server.network_.agenda.clock(),
                                              server.sessionOptions(), server.hooks());
}

SimServer::SimServer(SimNetwork& network, Record& record, std::shared_ptr<ObjectStore> store,
                     const ServerLimits& limits, milliseconds serverTimeout,
                     milliseconds backgroundTimeout, int slowestCommit)
    : network_(network),
      record_(record),
      store_(std::move(store)),
      limits_(limits),
      serverTimeout_(serverTimeout),
      backgroundTimeout_(backgroundTimeout),
      slowestCommit_(slowestCommit) {
  network.server = this;
}

SimServer::~SimServer() {
  if (life_) stop(false);
}

ServerSessions::Options SimServer::sessionOptions() const {
  ServerSessions::Options made;
  made.limits = limits_;
  made.serverTimeout = serverTimeout_;
  made.epoch = epoch_;
  return made;
}

ServerSessions::Hooks SimServer::hooks() {
  ServerSessions::Hooks made;
  made.run = [this, epoch = epoch_](std::function<void()> work) {
    if (epoch != epoch_ || !life_) return;
    if (strand_ > 0) return work();
    // From another thread: soon, in the order of calls.
    lastPosted_ =
        std::max(lastPosted_, network_.agenda.now() + milliseconds(network_.random.below(3)));
    network_.agenda.at(lastPosted_, kServer, [this, epoch, work = std::move(work)] {
      if (epoch == epoch_ && life_) onStrand(work);
    });
  };
  made.block = [this](std::function<void()> work) {
    const std::uint64_t number = ++lastBlocked_;
    blocked_[number] = std::move(work);
    network_.agenda.in(milliseconds(network_.random.below(slowestCommit_)), kServer,
                       [this, number] { runBlocked(number); });
  };
  made.audit = [](const AuditEntry&) {};
  made.newKey = [this] {
    wire::SessionKey key{};
    for (auto& byte : key) byte = static_cast<std::uint8_t>(network_.random.next());
    return key;
  };
  return made;
}

void SimServer::runBlocked(std::uint64_t number) {
  const auto work = blocked_.extract(number);
  if (work.empty() || !life_) return;
  life_->recorded.passTime();
  work.mapped()();
  setTimer();
}

void SimServer::start() {
  ++epoch_;
  timer_.reset();
  life_ = std::make_unique<Life>(*this);
  for (const auto& [object, parent] : places_) life_->database.setPlace(object, parent);
  network_.report.trace(network_.agenda, "server starts, epoch ", std::to_string(epoch_));
  if (residentProcesses_ == 0) return;
  life_->residents = std::make_shared<Residents>(network_, record_, life_->recorded,
                                                 kResident + std::to_string(epoch_),
                                                 residentProcesses_, [this] { setTimer(); });
  life_->residents->start();
}

void SimServer::stop(bool bySurprise) {
  network_.report.trace(network_.agenda, bySurprise ? "server dies" : "server stops");
  if (bySurprise) {
    blocked_.clear();
    for (const auto& link : links_) link->cut();
  }
  life_->recorded.passTime();
  if (life_->residents) life_->residents->close();
  ++strand_;
  life_->sessions->endAll("the server node has stopped");
  --strand_;
  for (auto& [number, work] : std::exchange(blocked_, {})) work();
  const auto life = std::exchange(life_, nullptr);  // What is still posted finds nobody.
  life->sessions.reset();
  links_.clear();
  dirty_.clear();
}

// --- Events --------------------------------------------------------------------------------------

void SimServer::onStrand(const std::function<void()>& work) {
  if (!life_) return;
  life_->recorded.passTime();
  ++strand_;
  work();
  if (strand_ == 1) endTurn();
  --strand_;
  setTimer();
}

void SimServer::endTurn() {
  while (!dirty_.empty()) {
    for (const auto& link : std::exchange(dirty_, {})) flush(*link);
  }
}

void SimServer::flush(SimLink& link) {
  ServerSessions& sessions = *life_->sessions;
  if (link.bytesQueued() == 0) return;
  const bool hadMuch = std::exchange(link.leavesSome, false) || !sessions.listensTo(link);
  link.flush();
  link.leavesSome = link.bytesQueued() > 0;
  if (link.leavesSome || hadMuch) sessions.flushed(link);
}

void SimServer::setTimer() {
  if (!life_) return;
  auto next = life_->sessions->nextDeadline();
  const auto wait = life_->database.nextDeadline();
  if (wait && (!next || *wait < *next)) next = wait;
  if (!next || (timer_ && *timer_ <= *next)) return;
  timer_ = next;
  network_.agenda.at(*next, kServer, [this, at = *next, epoch = epoch_] {
    if (epoch != epoch_ || timer_ != at) return;
    timer_.reset();
    onStrand([this] { life_->sessions->expire(network_.agenda.now()); });
  });
}

void SimServer::opened(const std::shared_ptr<SimLink>& link) {
  onStrand([&] {
    std::erase_if(links_, [](const auto& old) { return old->isOver(); });
    links_.push_back(link);
    life_->sessions->opened(link);
  });
}

void SimServer::arrived(SimLink& link, const std::string& bytes) {
  onStrand([&] {
    link.atServer.append({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    readFrames(link);
  });
}

void SimServer::tookSome(SimLink& link) {
  onStrand([&] {
    const std::size_t before = link.bytesQueued();
    flush(link);
    if (link.bytesQueued() < before) life_->sessions->heard(link);
    if (link.framesWait) readFrames(link);
  });
}

// As long as the client takes the answers.
void SimServer::readFrames(SimLink& link) {
  const auto kept = link.shared_from_this();
  ServerSessions& sessions = *life_->sessions;
  link.framesWait = false;
  try {
    while (true) {
      if (!sessions.listensTo(link)) flush(link);
      link.framesWait = !sessions.listensTo(link);
      if (link.framesWait) return network_.report.count("not read from");
      const auto frame = link.atServer.next();
      if (!frame) return;
      sessions.received(link, *frame);
    }
  } catch (const wire::WireError& wrong) {
    sessions.violated(link, wrong.what());
  }
}

void SimServer::hungUp(SimLink& link) {
  onStrand([&] {
    const auto kept = link.shared_from_this();
    life_->sessions->closed(link);
  });
}

std::vector<LockInfo> SimServer::locksOf(int client) const {
  std::vector<LockInfo> all;
  if (!life_) return all;
  for (const LockerId locker : record_.lockersOf(client)) {
    for (const LockInfo& lock : life_->database.locksOf(locker, Lifetime::Persistent)) {
      if (!lock.waiting) all.push_back(lock);
    }
  }
  return all;
}

}  // namespace nephrite
