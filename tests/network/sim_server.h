#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/server/server_sessions.h"
#include "tests/network/recorded_database.h"
#include "tests/network/residents.h"
#include "tests/network/sim_network.h"

namespace nephrite {

/// The server node: what ServerNode is made of, without sockets and threads. Between two starts it
/// keeps nothing but the store.
class SimServer final : public SimListener {
 public:
  SimServer(SimNetwork& network, Record& record, std::shared_ptr<ObjectStore> store,
            const ServerLimits& limits, std::chrono::milliseconds serverTimeout,
            std::chrono::milliseconds backgroundTimeout, int slowestCommit);
  ~SimServer() override;

  void start();
  /// By surprise: whatever was under way is gone. Else sessions end, and what was begun is done.
  void stop(bool bySurprise);

  /// From the next start on; so many processes.
  void setResidents(int processes) { residentProcesses_ = processes; }
  /// From the next start on: each object, and the one that it is right below.
  void setPlaces(std::vector<std::pair<Oid, Oid>> places) { places_ = std::move(places); }
  /// Null when there are none.
  Residents* residents() const { return life_ ? life_->residents.get() : nullptr; }

  LocalDatabase& database() const { return life_->database; }
  RecordedDatabase& recorded() const { return life_->recorded; }

  bool isListening() const override { return life_ != nullptr; }
  std::uint64_t incarnation() const override { return epoch_; }
  void opened(const std::shared_ptr<SimLink>& link) override;
  void arrived(SimLink& link, const std::string& bytes) override;
  void hungUp(SimLink& link) override;
  void leftSome(SimLink& link) override { dirty_.push_back(link.shared_from_this()); }
  void tookSome(SimLink& link) override;
  std::vector<LockInfo> locksOf(int client) const override;

 private:
  struct Life {
    Life(SimServer& server);
    LocalDatabase database;
    RecordedDatabase recorded;
    std::shared_ptr<Residents> residents;
    std::unique_ptr<ServerSessions> sessions;
  };
  ServerSessions::Options sessionOptions() const;
  ServerSessions::Hooks hooks();
  /// Runs `work` as the serving thread does.
  void onStrand(const std::function<void()>& work);
  /// As SocketServer does it: once for all that was sent meanwhile.
  void endTurn();
  void flush(SimLink& link);
  void readFrames(SimLink& link);
  void setTimer();
  void runBlocked(std::uint64_t number);

  SimNetwork& network_;
  Record& record_;
  const std::shared_ptr<ObjectStore> store_;
  std::vector<std::pair<Oid, Oid>> places_;
  const ServerLimits limits_;
  const std::chrono::milliseconds serverTimeout_;
  const std::chrono::milliseconds backgroundTimeout_;
  const int slowestCommit_;
  int residentProcesses_ = 0;
  std::uint64_t epoch_ = 0;
  int strand_ = 0;
  Instant lastPosted_{};
  std::optional<Instant> timer_;
  std::uint64_t lastBlocked_ = 0;
  std::map<std::uint64_t, std::function<void()>> blocked_;
  std::vector<std::shared_ptr<SimLink>> links_;
  std::vector<std::shared_ptr<SimLink>> dirty_;  // Have something that is not sent.
  std::unique_ptr<Life> life_;
};

}  // namespace nephrite
