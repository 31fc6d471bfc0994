#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/server/server_sessions.h"
#include "objects/object_store.h"
#include "runtime/database/local_database.h"

namespace nephrite {

/// Where a server's sessions run.
class Strand {
 public:
  void run(const std::function<void()>& work) {
    ++depth_;
    work();
    --depth_;
  }
  bool isHere() const { return depth_ > 0; }

 private:
  int depth_ = 0;
};

/// A client node that says and hears messages. It takes what it is sent at once, unless it is told
/// to read nothing: then it takes as much as it is told.
class SpokenConnection final : public ServerConnection {
 public:
  explicit SpokenConnection(ServerSessions& sessions, Strand* strand = nullptr)
      : sessions_(sessions), strand_(strand) {}

  void send(std::string frame) override {
    if (isClosed) return;
    unsent_ += frame;
    mostUnsent = std::max(mostUnsent, unsent_.size());
    if (reads) hear(unsent_.size());
  }
  void close() override { isClosed = true; }
  void pauseReading(bool pauses) override { isPaused = pauses; }
  std::size_t bytesQueued() const override { return unsent_.size(); }
  std::uint64_t bytesTaken() const override { return taken_; }
  const std::string& address() const override { return address_; }

  void say(const wire::FromClient& message) {
    heard.clear();
    const bool first = std::holds_alternative<wire::Hello>(message);
    const bool alone = first || std::holds_alternative<wire::Ping>(message);
    const std::string bytes = wire::encode(message, Instant{});
    wire::FrameReader reader(UINT32_MAX);
    const std::string frame = alone ? stream.sendUnnumbered(bytes) : stream.send(bytes);
    reader.append({reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size()});
    const auto receive = [&] { sessions_.received(*this, *reader.nextInPlace()); };
    strand_ == nullptr ? receive() : strand_->run(receive);
  }
  /// What it has been sent goes out, as far as it takes it.
  void flushed() { sessions_.flushed(*this); }
  /// Takes so many bytes of what it was sent.
  void take(std::size_t bytes) {
    hear(std::min(bytes, unsent_.size()));
    sessions_.heard(*this);
    sessions_.flushed(*this);
  }
  void takeAll() {
    while (bytesQueued() > 0) take(bytesQueued());
  }
  /// The last message heard.
  template <class Message>
  Message last() const {
    const Message* const found = heard.empty() ? nullptr : std::get_if<Message>(&heard.back());
    EXPECT_NE(found, nullptr) << heard.size();
    return found == nullptr ? Message() : *found;
  }
  /// All of a kind that were heard since it spoke last.
  template <class Message>
  std::vector<Message> all() const {
    std::vector<Message> found;
    for (const wire::FromServer& message : heard)
      if (const auto* const one = std::get_if<Message>(&message)) found.push_back(*one);
    return found;
  }

  wire::SessionStream stream{0};
  std::vector<wire::FromServer> heard;
  std::vector<std::uint64_t> acknowledged;  // By the frames of all that was heard, ever.
  bool reads = true;
  bool isClosed = false;
  bool isPaused = false;  // The server reads nothing from it; what it says arrives all the same.
  std::size_t mostUnsent = 0;

 private:
  void hear(std::size_t bytes) {
    const std::string part = unsent_.substr(0, bytes);
    unsent_.erase(0, bytes);
    taken_ += bytes;
    reader_.append({reinterpret_cast<const std::uint8_t*>(part.data()), part.size()});
    while (const auto one = reader_.next()) {
      stream.received(one->header);
      acknowledged.push_back(one->header.acknowledged);
      heard.push_back(wire::decodeFromServer(one->message, Instant{}));
    }
  }

  ServerSessions& sessions_;
  Strand* const strand_;
  wire::FrameReader reader_{UINT32_MAX};
  std::string unsent_;
  std::uint64_t taken_ = 0;
  const std::string address_ = "here";
};

/// A server whose clients say what they are told to. What happens, happens on the test's thread;
/// what is done aside is done at once, unless it is held; what comes back from there is, too.
class SpokenServer {
 protected:
  explicit SpokenServer(const ServerLimits& limits = {},
                        const LocalDatabase::Options& options = withoutThreads(),
                        std::shared_ptr<ObjectStore> objects = storeInMemory())
      : store(std::move(objects)),
        database(store, clock, options),
        sessions(database, clock, {.limits = limits}, hooks()) {
    database.whenAnyLapses([this](const LockAnswer& answer) { sessions.lapsed(answer); });
  }

  std::shared_ptr<SpokenConnection> connect(bool takesGrants = true, bool takesParts = true,
                                            std::uint16_t version = wire::kVersion) {
    auto connection = std::make_shared<SpokenConnection>(sessions, &strand);
    sessions.opened(connection);
    wire::Hello hello;
    hello.takesGrants = takesGrants;
    hello.takesParts = takesParts;
    hello.versionHigh = version;
    connection->say(hello);
    return connection;
  }
  /// A process of a node of its own.
  LockerId signOn(const std::shared_ptr<SpokenConnection>& connection) {
    connection->say(wire::SignOnNode{1, "node", {}});
    const auto node = connection->last<wire::NodeReply>().reply.node;
    connection->say(wire::SignOnProcess{2, {node->oid, "desk", "somebody", false}});
    return connection->last<wire::ProcessReply>().reply.process->locker;
  }
  /// A child of `parent` in the node that signed on first.
  LockerId signOnChild(const std::shared_ptr<SpokenConnection>& connection, LockerId parent) {
    const Oid node = database.nodes().front().oid;
    connection->say(wire::SignOnProcess{2, {node, "child", "somebody", false, parent}});
    const auto process = connection->last<wire::ProcessReply>().reply.process;
    EXPECT_TRUE(process);
    return process ? process->locker : LockerId{};
  }
  Oid::ClassNumber defineOrder() {
    ClassDef order;
    order.name = "Order";
    order.properties = {{"note", ValueType::String}};
    return database.defineClass(order)->number;
  }
  /// An order in the store, with a note of so many bytes.
  Oid newOrder(std::size_t bytes = 1) {
    const Oid oid = store->newOid(defineOrder());
    ChangeSet made;
    made.changes.emplace_back(ChangeKind::Create,
                              ObjectRecord{oid, 1, {Value(std::string(bytes, 'x'))}, {}});
    store->commit(made);
    return oid;
  }

  static LockRequest asks(LockerId locker, Oid oid, LockType type = LockType::Exclusive) {
    LockRequest request;
    request.locker = locker;
    request.target = {oid.bits()};
    request.type = type;
    request.inState = true;
    request.id = 77;
    return request;
  }

  void holdAside() { holdsAside_ = true; }
  void doAside() {
    holdsAside_ = false;
    while (!aside_.empty()) doOneAside();
  }
  void doOneAside() { takeFirst(aside_)(); }
  /// From now on what comes back from aside waits, until doPosted().
  void holdPosted() { holdsPosted_ = true; }
  void doPosted() {
    while (!posted_.empty()) strand.run(takeFirst(posted_));
  }
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    sessions.expire(clock.now());
    while (database.expireNext(clock.now())) {
    }
  }

  ServerSessions::Hooks hooks() {
    ServerSessions::Hooks made;
    made.run = [this](const std::function<void()>& work) {
      if (holdsPosted_ && !strand.isHere()) return posted_.push_back(work);
      work();
    };
    made.block = [this](const std::function<void()>& work) {
      if (holdsAside_) return aside_.push_back(work);
      work();
    };
    made.audit = [](const AuditEntry&) {};
    made.newKey = [last = std::uint64_t{0}]() mutable {
      wire::SessionKey key{};
      ++last;
      for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<std::uint8_t>(last >> 8 * i);
      return key;
    };
    return made;
  }
  static LocalDatabase::Options withoutThreads() {
    LocalDatabase::Options options;
    options.threads = false;
    options.recordCommits = true;
    return options;
  }
  static std::shared_ptr<ObjectStore> storeInMemory() {
    ObjectStore::Options options;
    options.inMemory = true;
    return ObjectStore::open(options);
  }

  using Works = std::deque<std::function<void()>>;
  static std::function<void()> takeFirst(Works& works) {
    const auto work = std::move(works.front());
    works.pop_front();
    return work;
  }

  ManualClock clock;
  Strand strand;
  const std::shared_ptr<ObjectStore> store;
  LocalDatabase database;
  Works aside_, posted_;
  bool holdsAside_ = false, holdsPosted_ = false;
  ServerSessions sessions;
};

}  // namespace nephrite
