#pragma once

#include "node/schedule/replay.h"
#include "tests/support/database_form.h"

namespace nephrite {

/// Plays over a wire: all its work is done on the thread that plays, in one order.
class WireWorld final : public ReplayWorld {
 public:
  ManualClock& clock() override { return clock_; }
  LocalDatabase& local() override { return form_.local(); }
  Database& database() override { return *form_.database(); }
  void setTimeouts(std::chrono::milliseconds server,
                   std::chrono::milliseconds background) override {
    form_.setTimeouts(server, background);
  }
  void settle() override { form_.settle(); }

 private:
  static std::shared_ptr<ObjectStore> storeInMemory() {
    static const std::shared_ptr<ObjectStore> store = [] {
      ObjectStore::Options options;
      options.inMemory = true;
      return std::shared_ptr<ObjectStore>(ObjectStore::open(options));
    }();
    return store;
  }

  ManualClock clock_;
  DatabaseForm form_{
      Form::Wire,
      storeInMemory(),
      clock_,
      {.local = {.locks = {.countsAge = true}, .threads = false}, .networkThread = false}};
};

}  // namespace nephrite
