#pragma once

#include <gtest/gtest.h>

#include "tests/spoken/spoken_carrier.h"

namespace nephrite {

/// A client node whose server says what it is told to, with Anna signed on. What a fixture of one
/// end of the wire begins with. The node is closed before the fixture's own members go: what is
/// still asked for is answered then.
template <class Test = testing::Test>
class SpokenNode : public Test {
 protected:
  explicit SpokenNode(bool takesShort = false, std::uint16_t version = wire::kVersion) {
    wire::Welcome welcome;
    welcome.keepAlive = std::chrono::seconds(5);
    welcome.maxFrame = 1u << 20;
    welcome.coherent = true;
    welcome.takesShort = takesShort;
    welcome.version = version;
    carrier.welcome(welcome);
    database.signOnNode({.name = "till"}, [](const NodeReply&) {});
    carrier.say(wire::NodeReply{carrier.lastId(), {NodeInfo{}, {}, {}}, {}});
    signOn(kAnna);
  }

  void TearDown() override { database.close(); }

  void signOn(LockerId locker, LockerId parent = {}) {
    database.signOnProcess({.name = "clerk", .parent = parent}, [](const ProcessReply&) {});
    ProcessInfo clerk;
    clerk.locker = locker;
    carrier.say(wire::ProcessReply{carrier.lastId(), {clerk, {}, {}}, {}});
  }

  static constexpr LockerId kAnna{187}, kBen{188};
  ManualClock clock;
  SpokenCarrier carrier;
  RemoteDatabase database{carrier, clock, [] {
                            RemoteDatabase::Options options;
                            options.threads = false;
                            return options;
                          }()};
};

}  // namespace nephrite
