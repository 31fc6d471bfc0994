// Berkeley DB 5.3: its lock subsystem alone, in a private environment (no files, no other
// process), with JADE's table of concurrent locks as its conflict matrix and the deadlock detector
// run on every block.

#include <db.h>

#include "bench/peers/local_cases.h"

namespace {

using namespace peers;

void check(int status, const char* tried) {
  if (status == 0) return;
  throw std::runtime_error(std::string(tried) + ": " + ::db_strerror(status));
}

// Berkeley DB's numbers for lock modes; 0 and 3 mean something else to it.
constexpr int kShare = DB_LOCK_READ, kExclusive = DB_LOCK_WRITE, kReserve = 4, kUpdate = 5;
constexpr int kModes = 6;
// clang-format off
constexpr unsigned char kConflicts[kModes][kModes] = {
    //               -  Share  Exclusive  -  Reserve  Update
    /* -         */ {0,   0,      0,      0,    0,      0},
    /* Share     */ {0,   0,      1,      0,    0,      0},
    /* Exclusive */ {0,   1,      1,      0,    1,      1},
    /* -         */ {0,   0,      0,      0,    0,      0},
    /* Reserve   */ {0,   0,      1,      0,    1,      1},
    /* Update    */ {0,   0,      1,      0,    1,      1},
};
// clang-format on

class BdbPeer {
 public:
  static constexpr const char* kSystem = "berkeleydb";

  explicit BdbPeer(std::size_t locks) {
    const auto most = static_cast<u_int32_t>(locks + 10'000);
    check(::db_env_create(&env_, 0), "db_env_create");
    auto* matrix = const_cast<u_int8_t*>(&kConflicts[0][0]);  // The call only copies it.
    check(env_->set_lk_conflicts(env_, matrix, kModes), "set_lk_conflicts");
    check(env_->set_lk_max_locks(env_, most), "set_lk_max_locks");
    check(env_->set_lk_max_objects(env_, most), "set_lk_max_objects");
    check(env_->set_lk_max_lockers(env_, 10'000), "set_lk_max_lockers");
    // The youngest locker is the one whose request closes the cycle in our cases.
    check(env_->set_lk_detect(env_, DB_LOCK_YOUNGEST), "set_lk_detect");
    check(env_->open(env_, nullptr, DB_CREATE | DB_INIT_LOCK | DB_PRIVATE | DB_THREAD, 0),
          "open the environment");
    proveMatrix();
  }
  ~BdbPeer() { env_->close(env_, 0); }
  BdbPeer(const BdbPeer&) = delete;
  BdbPeer& operator=(const BdbPeer&) = delete;

  class Locker {
   public:
    explicit Locker(BdbPeer& peer) : env_(peer.env_) {
      check(env_->lock_id(env_, &id_), "lock_id");
    }
    ~Locker() {
      releaseAll();
      env_->lock_id_free(env_, id_);
    }
    Locker(const Locker&) = delete;
    Locker& operator=(const Locker&) = delete;

    Answer lock(std::uint64_t object, int mode, IfBusy ifBusy) {
      DBT name{};
      name.data = &object;
      name.size = sizeof(object);
      const u_int32_t flags = ifBusy == IfBusy::Refuse ? DB_LOCK_NOWAIT : 0;
      const int status =
          env_->lock_get(env_, id_, flags, &name, static_cast<db_lockmode_t>(mode), &last_);
      if (status == 0) return Answer::Granted;
      if (status == DB_LOCK_NOTGRANTED) return Answer::Refused;
      if (status == DB_LOCK_DEADLOCK) return Answer::Deadlock;
      check(status, "lock_get");
      return Answer::Refused;
    }
    Answer lock(std::uint64_t object, Mode mode, IfBusy ifBusy) {
      return lock(object, mode == Mode::Share ? kShare : kExclusive, ifBusy);
    }
    void unlockLast() { check(env_->lock_put(env_, &last_), "lock_put"); }
    void releaseAll() {
      DB_LOCKREQ all{};
      all.op = DB_LOCK_PUT_ALL;
      check(env_->lock_vec(env_, id_, 0, &all, 1, nullptr), "lock_vec");
    }

   private:
    DB_ENV* const env_;
    u_int32_t id_ = 0;
    DB_LOCK last_{};
  };

  void clearWaits() { statistics(DB_STAT_CLEAR); }
  template <class Lockers>
  std::size_t waits(const Lockers& /*lockers*/) {
    return statistics(0);
  }

 private:
  std::size_t statistics(u_int32_t flags) {
    DB_LOCK_STAT* statistics = nullptr;
    check(env_->lock_stat(env_, &statistics, flags), "lock_stat");
    const auto waits = static_cast<std::size_t>(statistics->st_lock_wait);
    ::free(statistics);
    return waits;
  }

  /// All sixteen answers of JADE's table, asked of the lock subsystem itself.
  void proveMatrix() {
    for (const int held : {kShare, kReserve, kUpdate, kExclusive}) {
      for (const int asked : {kShare, kReserve, kUpdate, kExclusive}) {
        Locker holder(*this), other(*this);
        require(holder.lock(1, held, IfBusy::Refuse) == Answer::Granted, "not granted");
        const bool granted = other.lock(1, asked, IfBusy::Refuse) == Answer::Granted;
        const bool may =
            held != kExclusive && asked != kExclusive && (held == kShare || asked == kShare);
        require(granted == may, "the conflict matrix is not JADE's");
      }
    }
  }

  DB_ENV* env_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) { return runPeer(argc, argv, localLockCases<BdbPeer>()); }
