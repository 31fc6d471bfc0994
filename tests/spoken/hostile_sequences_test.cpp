// A client that is not ours: messages that are well formed, and in an order, with names, levels,
// flags, counts and numbers that no client of ours would send. The server may refuse, or end its
// session; it goes on, and others keep what is theirs.
//
// NEPHRITE_HOSTILE_SEQUENCES says how many are played, NEPHRITE_HOSTILE_FIRST the first seed. One
// that fails says its seed.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/spoken/spoken_server.h"
#include "tests/support/child_process.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

std::uint64_t numberFrom(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A million refusals are as many lines of log.
class SilentErrors {
 public:
  SilentErrors() : before_(::dup(STDERR_FILENO)) {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDERR_FILENO);
    ::close(nowhere);
  }
  ~SilentErrors() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  SilentErrors(const SilentErrors&) = delete;
  SilentErrors& operator=(const SilentErrors&) = delete;

 private:
  const int before_;
};

ServerLimits tightLimits() {
  ServerLimits limits;
  limits.maxProcessesPerSession = 6;
  limits.maxRequestsPerSession = 40;
  limits.slowReaderWarning = 4'000;
  limits.slowReaderLimit = 20'000;
  limits.cachedObjectsPerSession = 8;
  return limits;
}

/// Given: a server with a few orders, two honest clients who hold some of them, and a hostile one
/// with two sessions, each of which knows the numbers of everything that there is.
class Hostile : protected SpokenServer {
 public:
  Hostile() : SpokenServer(tightLimits()), honest_{connect(), connect()} {
    for (int i = 0; i < kOrders; ++i) orders_.push_back(newOrder(i == 3 ? 30'000 : 10));
    lockers_ = {signOn(honest_[0]), signOn(honest_[1])};
    // These, and the last order that only the hostile want, stay as they are whatever is said.
    hold(0, orders_[0], LockType::Exclusive);
    hold(0, orders_[1], LockType::Share);
    hold(1, orders_[1], LockType::Share);
    hold(1, orders_[2], LockType::Update);
  }

  /// How far the hostile one has come: what is played is worth something.
  struct Reached {
    std::size_t granted = 0, committed = 0, refused = 0, ended = 0, waited = 0;
  };
  const Reached& reached() const { return reached_; }

  void play(std::uint64_t seed) {
    begin(seed);
    const std::size_t messages = 4 + below(28);
    for (int i = 0; i < 2; ++i) open();
    for (std::size_t i = 0; i < messages; ++i) step();
    check();
    reached_.waited += database.lockStatistics(Lifetime::Persistent).requestsWaiting;
    finish();
  }

  /// What a session may have come to when a message comes.
  enum class State { New, Greeted, HasNode, HasProcess, Holds, Waits, CommitWaits, Over };
  static constexpr std::size_t kStates = 8, kKinds = std::variant_size_v<wire::FromClient>;

  /// Messages of one kind, each to a session in that state.
  void playKind(std::size_t kind, State state) {
    begin(kind * kStates + static_cast<std::size_t>(state));
    for (int i = 0; i < 8; ++i) {
      const Client client{std::make_shared<SpokenConnection>(sessions)};
      hostile_.push_back(client);
      sessions.opened(client.wire);
      bring(*client.wire, state);
      if (!client.wire->isClosed) client.wire->say(messageOf(kind));
      check();
    }
    finish();
  }

 private:
  static constexpr int kOrders = 6;
  struct Client {
    std::shared_ptr<SpokenConnection> wire;
    wire::SessionKey key{};
  };

  void begin(std::uint64_t seed) {
    random_.seed(seed);
    held_ = lockedByHonest();
    hostile_.clear();
    known_.clear();
    own_.clear();
    speaker_ = nullptr;
  }

  // It goes, in one way or another; what it began is done; nothing of it stays.
  void finish() {
    for (Client& client : hostile_) leave(client);
    doAside();
    for (Client& client : hostile_)
      if (!client.wire->isClosed) sessions.closed(*client.wire);
    check();
    EXPECT_EQ(sessions.status().sessions, 2u);
    EXPECT_EQ(database.nodes().size(), 2u);
    EXPECT_EQ(database.processes().size(), 4u) << "two, and their nodes'";
    EXPECT_EQ(database.lockStatistics(Lifetime::Persistent).locksHeld, 4u);
    EXPECT_EQ(database.lockStatistics(Lifetime::Persistent).requestsWaiting, 0u);
  }

  void bring(SpokenConnection& wire, State state) {
    if (state == State::New) return;
    wire.say(wire::Hello{});
    if (state == State::Over) return wire.say(wire::Goodbye{});
    if (state == State::Greeted) return;
    wire.say(wire::SignOnNode{1, "node", {}});
    learn(wire);
    if (state == State::HasNode) return;
    wire.say(wire::SignOnProcess{2, {known_.nodes.back(), "process", "", false}});
    learn(wire);
    const LockerId locker = known_.lockers.back();
    const auto lock = [&](Oid oid, LockType type) {
      wire.say(wire::Lock{3, {{asks(locker, oid, type)}, 0}});
    };
    if (state == State::Holds) return lock(orders_[4], LockType::Share);
    if (state == State::Waits) return lock(orders_[0], LockType::Exclusive);
    if (state != State::CommitWaits) return;
    lock(orders_[1], LockType::Update);
    wire::Commit commit;
    commit.request.upgrade = asks(locker, Oid());
    commit.request.updateLocked = {orders_[1]};
    commit.request.changes.id = {locker.value, 1};
    commit.request.changes.changes.emplace_back(ChangeKind::Update,
                                                ObjectRecord{orders_[1], 1, {}, {}});
    wire.say(commit);
  }

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool oneIn(std::uint64_t count) { return below(count) == 0; }
  template <class List>
  auto oneOf(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list))));
  }

  void hold(std::size_t who, Oid oid, LockType type) {
    LockRequest request = asks(lockers_[who], oid, type);
    request.duration = LockDuration::Session;
    honest_[who]->say(wire::Lock{3, {{request}, 0}});
  }
  std::vector<LockInfo> lockedByHonest() const {
    std::vector<LockInfo> all;
    for (const LockerId locker : lockers_) {
      for (const LockInfo& lock : database.locksOf(locker, Lifetime::Persistent))
        if (!lock.waiting) all.push_back(lock);
    }
    return all;
  }

  void open() {
    Client client{std::make_shared<SpokenConnection>(sessions)};
    sessions.opened(client.wire);
    wire::Hello hello;
    hello.takesGrants = !oneIn(3);
    hello.takesShort = !oneIn(3);
    hello.takesParts = !oneIn(3);
    client.wire->reads = !oneIn(4);
    if (oneIn(8)) client.wire->say(anything());
    if (!client.wire->isClosed) client.wire->say(hello);
    if (!oneIn(4)) signOnAsOursDo(*client.wire);
    hostile_.push_back(client);
  }

  // Most do what a client of ours does first: what is never signed on is soon refused or ended.
  void signOnAsOursDo(SpokenConnection& wire) {
    if (wire.isClosed) return;
    const std::size_t nodes = known_.nodes.size();
    wire.say(wire::SignOnNode{1, "node", {}});
    learn(wire);
    if (known_.nodes.size() == nodes || wire.isClosed) return;
    wire.say(wire::SignOnProcess{2, {known_.nodes.back(), "process", "", false}});
    learn(wire);
  }

  /// The hostile ones may be silent; the honest are not.
  void passTime(milliseconds time) {
    for (; time > milliseconds(0); time -= milliseconds(2'000)) {
      pass(std::min(time, milliseconds(2'000)));
      for (const auto& each : honest_) each->say(wire::Ping{});
    }
  }

  void step() {
    if (oneIn(12)) return passTime(milliseconds(below(oneIn(4) ? 20'000 : 800)));
    if (oneIn(10)) return holdsAside_ ? doAndLearn() : holdAside();
    if (hostile_.size() < 5 && oneIn(20)) return open();
    Client& client = hostile_[below(hostile_.size())];
    if (client.wire->isClosed) return;
    if (oneIn(40)) return leave(client);
    speaker_ = client.wire.get();
    client.wire->say(anything());
    learn(*client.wire);
    client.wire->flushed();
    if (!client.wire->reads && oneIn(6)) client.wire->take(below(40'000));
    EXPECT_LT(client.wire->mostUnsent, 300'000u);
    if (holdsAside_) {
      EXPECT_LT(aside_.size(), 200u) << "what waits for it is bounded";
    }
  }

  void doAndLearn() {
    doAside();
    for (const Client& client : hostile_) learn(*client.wire);
  }

  void leave(Client& client) {
    if (client.wire->isClosed) return;
    if (oneIn(3)) return client.wire->say(wire::Goodbye{});
    client.wire->isClosed = true;
    sessions.closed(*client.wire);
  }

  /// What it was told of itself: its nodes and processes, so that what it says is half right.
  void learn(SpokenConnection& wire) {
    if (wire.isClosed) ++reached_.ended;
    for (const wire::FromServer& message : std::exchange(wire.heard, {})) {
      if (const auto* const locks = std::get_if<wire::LockAnswered>(&message)) {
        reached_.granted += locks->grants.size();
        for (const wire::LockReply& one : locks->replies) {
          reached_.granted += one.reply.isGranted() ? 1 : 0;
        }
      }
      if (const auto* const commit = std::get_if<wire::CommitReply>(&message))
        reached_.committed += commit->reply.outcome == CommitReply::Outcome::Committed ? 1 : 0;
      if (std::holds_alternative<wire::FailureReply>(message)) ++reached_.refused;
      if (const auto* const node = std::get_if<wire::NodeReply>(&message); node && node->reply.node)
        known_.nodes.push_back(node->reply.node->oid);
      if (const auto* const one = std::get_if<wire::ProcessReply>(&message);
          one && one->reply.process)
        known_.lockers.push_back(own_[&wire].emplace_back(one->reply.process->locker));
    }
  }

  void check() {
    database.checkInvariants();
    for (const auto& each : honest_) {
      each->say(wire::Ping{});
      EXPECT_EQ(each->all<wire::Ping>().size(), 1u) << "an honest client is answered";
    }
    const std::vector<LockInfo> now = lockedByHonest();
    ASSERT_EQ(now.size(), held_.size()) << "they keep their locks";
    for (std::size_t i = 0; i < now.size(); ++i) {
      EXPECT_EQ(now[i].target, held_[i].target);
      EXPECT_EQ(now[i].type, held_[i].type);
      EXPECT_EQ(now[i].requestedBy, held_[i].requestedBy);
      EXPECT_EQ(now[i].token, held_[i].token);
    }
  }

  // --- What it says ----------------------------------------------------------------------------

  std::uint64_t anyNumber() {
    static constexpr std::uint64_t kOdd[] = {0, 1, 2, 1023, 1024, 65535, UINT32_MAX, UINT64_MAX};
    return oneIn(3) ? oneOf(kOdd) : below(64);
  }
  LockerId anyLocker() {
    const std::vector<LockerId>& own = own_[speaker_];
    if (!own.empty() && !oneIn(4)) return oneOf(own);
    if (!known_.lockers.empty() && !oneIn(5)) return oneOf(known_.lockers);
    switch (below(4)) {
      case 0: return oneOf(lockers_);
      case 1: return oneOf(database.nodes()).locker;
      case 2: return {database.nodes().back().locker.value + below(5)};
      default: return {anyNumber()};
    }
  }
  Oid anyNode() {
    if (!known_.nodes.empty() && !oneIn(5)) return oneOf(known_.nodes);
    return oneIn(2) ? oneOf(database.nodes()).oid : anyOid();
  }
  Oid anyOid() {
    // As often one that no honest client holds, to be granted, as all others together.
    if (oneIn(2)) return orders_[3 + below(kOrders - 3)];
    if (!oneIn(3)) return orders_[1 + below(2)];
    switch (below(6)) {
      case 0: return orders_[0];
      case 1: return database.systemNodes();
      case 2: return oneOf(database.nodes()).processes;
      case 3: return Oid(Lifetime::Persistent, orders_[0].classNumber(), 1'000 + below(4));
      case 4: return Oid(Lifetime::SharedTransient, orders_[0].classNumber(), 1 + below(4));
      default: return Oid::fromBits(anyNumber());
    }
  }
  std::string anyText() {
    static const std::string kTexts[] = {"",
                                         "desk",
                                         "\xE2\x80\xAE"
                                         "ksed",
                                         "a\nb\x1b[2J",
                                         std::string(255, 'n'),
                                         std::string(2'000, 'n')};
    return kTexts[below(std::size(kTexts))];
  }
  LockRequest anyRequest() {
    LockRequest request;
    request.locker = anyLocker();
    request.target = {anyOid().bits()};
    request.type = static_cast<LockType>(1 + below(4));
    request.duration = oneIn(3) ? LockDuration::Session : LockDuration::Transaction;
    static const LockTimeout kWaits[] = {LockTimeout::immediate(), LockTimeout::serverDefined(),
                                         LockTimeout::infinite(),
                                         LockTimeout::of(milliseconds(100))};
    request.timeout = kWaits[below(std::size(kWaits))];
    request.inState = oneIn(2);
    request.level = static_cast<std::uint16_t>(anyNumber());
    request.priority = static_cast<decltype(request.priority)>(anyNumber());
    request.background = oneIn(5);
    request.id = anyNumber();
    return request;
  }
  Existence anyExistence() { return oneIn(5) ? Existence::CreatedByLocker : Existence::Required; }
  wire::LockAll anyLocks() {
    wire::LockAll all{anyNumber(), anyRequest(), {}};
    all.request.target = {};
    for (std::uint64_t i = below(6); i > 0; --i) {
      all.targets.push_back({anyOid(), static_cast<std::uint32_t>(below(3)), anyExistence()});
    }
    return all;
  }
  wire::Commit anyCommit() {
    wire::Commit commit;
    commit.id = anyNumber();
    commit.request.upgrade = anyRequest();
    commit.request.changes.id = {commit.request.upgrade.locker.value, anyNumber()};
    for (std::uint64_t i = below(4); i > 0; --i) {
      const Oid oid = anyOid();
      ObjectRecord record{oid, static_cast<std::uint32_t>(1 + below(3)), {}, {}};
      if (!oneIn(3)) record.values = {Value(std::string(below(50), 'z'))};
      if (oneIn(6)) record.values = {Value(std::int32_t{1}), Value(true)};
      if (oneIn(8)) record.members.push_back({Value(), oid});
      // Deleting what others share would not be harmless, were it allowed; it is tried.
      static const ChangeKind kChanges[] = {ChangeKind::Update, ChangeKind::Update,
                                            ChangeKind::Create, ChangeKind::Delete};
      ChangeKind kind = kChanges[below(std::size(kChanges))];
      if (kind == ChangeKind::Delete && oid == orders_[5]) kind = ChangeKind::Update;
      commit.request.changes.changes.emplace_back(kind, record);
      if (oneIn(2)) commit.request.updateLocked.push_back(oneIn(4) ? anyOid() : oid);
    }
    return commit;
  }
  wire::DefineClass anyClass() {
    wire::DefineClass define{anyNumber(), {}};
    define.definition.name = oneIn(2) ? "Order" : anyText();
    define.definition.number = static_cast<Oid::ClassNumber>(oneIn(2) ? 0 : anyNumber());
    define.definition.kind = static_cast<ClassKind>(below(4));
    if (oneIn(2)) define.definition.properties = {{"note", ValueType::String}};
    if (oneIn(4)) define.definition.properties.push_back({anyText(), ValueType::Integer});
    return define;
  }
  /// By its place in the union of messages.
  wire::FromClient messageOf(std::size_t kind) {
    switch (kind) {
      case 0: return wire::Hello{};
      case 1: return wire::Ping{};
      case 2: return wire::Goodbye{};
      case 3: return wire::SignOnNode{anyNumber(), anyText(), {}};
      case 4: return wire::SignOffNode{anyNode()};
      case 5: return wire::SignOnProcess{anyNumber(), {anyNode(), anyText(), anyText(), oneIn(2)}};
      case 6: return wire::SignOffProcess{anyLocker()};
      case 7: {
        wire::Lock lock{anyNumber(), {{anyRequest(), anyExistence()}, 0}};
        lock.order.knownEdition = static_cast<std::uint32_t>(below(3));
        return lock;
      }
      case 8: return anyLocks();
      case 9: return wire::Cancel{anyLocker(), anyNumber()};
      case 10: return wire::Unlock{anyLocker(), anyOid()};
      case 11: return wire::ReleaseTransaction{anyLocker()};
      case 12: return wire::ReleaseLevel{anyLocker(), static_cast<std::uint16_t>(anyNumber())};
      case 13: return wire::Fetch{anyNumber(), anyOid()};
      case 14: return wire::Instances{anyNumber(), orders_[0].classNumber(), anyOid(), anyNumber()};
      case 15:
        return wire::NewOids{anyNumber(), static_cast<Oid::ClassNumber>(anyNumber()),
                             static_cast<std::uint32_t>(below(9))};
      case 16: return anyClass();
      case 17: return anyCommit();
      case 18: return wire::AskOutcome{anyNumber(), {anyLocker().value, anyNumber()}};
      case 19:
        return wire::Look{
            anyNumber(),
            static_cast<wire::Subject>(below(10)),
            anyOid(),
            anyLocker(),
            anyNumber(),
            oneIn(2) ? 0 : anyNumber(),
            {{anyOid().bits()}, anyNumber(), anyLocker(), static_cast<LockCursor::Kind>(below(4))}};
      case 20:
        return wire::AskContention{anyNumber(), static_cast<wire::ContentionVerb>(below(6)),
                                   anyLocker(), anyNumber(),
                                   anyNumber(), anyOid()};
      default: {
        // An operator may do this to anybody, and anybody is one until there are users: aimed at
        // its own alone here.
        const LockerId own = known_.lockers.empty() ? LockerId{77} : oneOf(known_.lockers);
        return wire::Force{anyNumber(), own, oneIn(2) ? Oid() : anyOid(), {anyText(), anyText()}};
      }
    }
  }
  wire::FromClient anything() {
    // Signing on and locking more often than the rest, so that it gets somewhere.
    if (known_.nodes.empty() && oneIn(2)) return messageOf(3);
    if (known_.lockers.empty() && oneIn(2)) return messageOf(5);
    static constexpr std::size_t kOften[] = {7, 7, 7, 8, 10, 17, 17, 12};
    if (oneIn(2)) return messageOf(oneOf(kOften));
    return messageOf(below(std::variant_size_v<wire::FromClient>));
  }

  struct Known {
    std::vector<Oid> nodes;
    std::vector<LockerId> lockers;
    void clear() { nodes.clear(), lockers.clear(); }
  };
  std::vector<Oid> orders_;
  std::vector<std::shared_ptr<SpokenConnection>> honest_;
  std::vector<LockerId> lockers_;
  std::vector<LockInfo> held_;
  std::mt19937_64 random_;
  std::vector<Client> hostile_;
  Known known_;
  std::map<const SpokenConnection*, std::vector<LockerId>> own_;  // Processes of each session.
  const SpokenConnection* speaker_ = nullptr;
  Reached reached_;
};

TEST(HostileSequences, WhenAMessageOfAnyKindComesInAnyStateThenTheServerGoesOn) {
  const SilentErrors silence;
  for (std::size_t kind = 0; kind < Hostile::kKinds; ++kind) {
    Hostile hostile;
    for (std::size_t state = 0; state < Hostile::kStates; ++state) {
      SCOPED_TRACE("kind " + std::to_string(kind) + " in state " + std::to_string(state));
      hostile.playKind(kind, static_cast<Hostile::State>(state));
    }
  }
}

TEST(HostileSequences, WhenAClientSaysWhatItLikesThenTheServerGoesOnAndOthersKeepTheirs) {
  const std::uint64_t first = numberFrom("NEPHRITE_HOSTILE_FIRST", 1);
  const std::uint64_t count =
      numberFrom("NEPHRITE_HOSTILE_SEQUENCES", static_cast<std::uint64_t>(cycles(100'000)));
  constexpr std::uint64_t kOfOneServer = 500;
  const SilentErrors silence;
  for (std::uint64_t begin = first; begin < first + count; begin += kOfOneServer) {
    // What is played depends on the server's past: the seed to begin with again is its first.
    Hostile hostile;
    for (std::uint64_t seed = begin; seed < std::min(begin + kOfOneServer, first + count); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) +
                   ", shown again by NEPHRITE_HOSTILE_FIRST=" + std::to_string(begin));
      hostile.play(seed);
      if (testing::Test::HasFailure()) return;
    }
    const Hostile::Reached& reached = hostile.reached();
    if (begin + kOfOneServer > first + count) continue;
    EXPECT_GT(reached.granted, 100u) << begin;
    EXPECT_GT(reached.committed, 20u) << begin;
    EXPECT_GT(reached.refused, 100u) << begin;
    EXPECT_GT(reached.ended, 20u) << begin;
    EXPECT_GT(reached.waited, 20u) << begin;
  }
}

}  // namespace
}  // namespace nephrite
