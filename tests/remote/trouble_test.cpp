// A server that serves and cannot do all of its work: what those hear of it who look after it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/node/called_program.h"
#include "tests/remote/server_program.h"
#include "tests/support/notify_socket.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Given: a server, and anna, who has an order.
class TroubledServer : public testing::Test {
 protected:
  void annaHasAnOrder() {
    client = server.clientHere("client", server.bySocket());
    anna = client->node().signOn({.user = "anna", .name = "billing"});
    anna.defineClass({.name = "Order", .properties = {{"text", ValueType::String}}});
    Transaction work(anna);
    order = anna.create("Order");
    order.set("text", "before");
    work.commit();
  }
  Ran ask(const std::string& arguments) const {
    return nephrite(arguments + server.connectArgument());
  }
  Ran takeTheLock() {
    order.lock(LockType::Exclusive, LockDuration::Session, std::chrono::seconds(5));
    return ask("unlock Order/" + order.oid().toString() + " --process billing --reason test");
  }
  bool logHolds(const std::string& text) const {
    return eventually([&] { return server.log().find(text) != std::string::npos; });
  }

  ServerProgram server{""};
  std::unique_ptr<ClientNode> client;
  Process anna;
  Object order;
};

TEST_F(TroubledServer, WhenTheAuditLogTakesNoLineThenTheLogHasItAndNothingMoreIsDoneByForce) {
  ASSERT_TRUE(server.start({}, {"NephriteServer.AuditLog=/dev/full"})) << server.log();
  annaHasAnOrder();

  const Ran first = takeTheLock();

  EXPECT_EQ(first.status, 0) << first.output;
  ASSERT_TRUE(logHolds("audit.not_written")) << server.log();
  EXPECT_THAT(server.log(), HasSubstr(R"(\"reason\":\"test\")")) << "the line is not lost";
  ASSERT_TRUE(eventually([&] { return !order.isLockedByMe(); })) << "anna is told a moment later";

  const Ran second = takeTheLock();

  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, AllOf(HasSubstr("nothing was done: the audit log /dev/full"),
                                   HasSubstr("No space left on device")));
  EXPECT_TRUE(order.isLockedByMe());
  const Ran ping = ask("ping");
  EXPECT_EQ(ping.status, 3);
  EXPECT_THAT(ping.output, HasSubstr("TROUBLE: the audit log /dev/full"));
}

TEST_F(TroubledServer, WhenEveryCommitIsRefusedThenPingStatsTheLogAndSystemdSayWhy) {
  NotifySocket systemd(server.folder() / "notify");
  const std::string noFileBeyond500KiB = "trap '' XFSZ; ulimit -f 1000";
  server.launch({.environment = {"NOTIFY_SOCKET=" + (server.folder() / "notify").string(),
                                 "WATCHDOG_USEC=300000"},
                 .errors = server.folder() / "server.log"},
                {}, noFileBeyond500KiB);
  ASSERT_TRUE(server.isReady()) << server.log();
  annaHasAnOrder();
  const Ran before = ask("ping");
  EXPECT_EQ(before.status, 0) << before.output;

  anna.beginTransaction();
  order.set("text", std::string(2'000'000, 'x'));
  EXPECT_THROW(anna.commitTransaction(), SystemException);

  const Ran ping = ask("ping");
  EXPECT_EQ(ping.status, 3);
  EXPECT_THAT(ping.output, AllOf(HasSubstr("TROUBLE: nothing can be committed: "),
                                 HasSubstr("File too large"), HasSubstr("restart the server")));
  const Ran stats = ask("stats");
  EXPECT_THAT(stats.output, HasSubstr("TROUBLE: nothing can be committed: "));
  EXPECT_TRUE(logHolds("server.trouble")) << server.log();
  EXPECT_TRUE(systemd.hears("sessions; nothing can be committed"));
}

TEST_F(TroubledServer, WhenItsLockFilesAreRemovedThenNobodyGetsInAndNothingMoreIsWritten) {
  ASSERT_TRUE(server.start()) << server.log();
  annaHasAnOrder();
  const std::filesystem::path store = server.folder() / "system";
  ASSERT_TRUE(std::filesystem::remove(store / "LOCK"));
  ASSERT_TRUE(std::filesystem::remove(store / "NEPHRITE.lock"));

  const Ran second = called("timeout 60 " NEPHRITE_BINARY_DIR "/nephrite server --ini " +
                            server.iniFile() + " --set NephriteServer.UnixSocket=none");
  EXPECT_EQ(second.status, 1) << second.output;
  EXPECT_THAT(second.output, HasSubstr(store.string()));
  anna.beginTransaction();
  order.set("text", "after");
  EXPECT_THROW(anna.commitTransaction(), StoreFailure);
  anna.abortTransaction();

  EXPECT_EQ(order.get<std::string>("text"), "before") << "what is there can be read";
  const Ran ping = ask("ping");
  EXPECT_EQ(ping.status, 3);
  EXPECT_THAT(ping.output,
              AllOf(HasSubstr("TROUBLE: nothing can be committed: "), HasSubstr("NEPHRITE.lock")));
  EXPECT_TRUE(logHolds("store.lock_gone")) << server.log();

  server.program().signal(SIGTERM);
  EXPECT_EQ(server.program().exitStatus(), 0);
  ASSERT_TRUE(server.start()) << server.log();
  const auto again = server.clientHere("again", server.bySocket());
  Process ben = again->node().signOn({.user = "ben"});
  EXPECT_EQ(ben.object(order.oid()).get<std::string>("text"), "before");
  Transaction work(ben);
  ben.object(order.oid()).set("text", "after");
  work.commit();
}

TEST_F(TroubledServer, WhenNoServerIsThereThenAPingSpeaksOfNoLocks) {
  const Ran ping = ask("ping");

  EXPECT_EQ(ping.status, 1);
  EXPECT_THAT(ping.output, AllOf(HasSubstr("no connection"), HasSubstr("Is it running"),
                                 Not(HasSubstr("locks"))));
}

}  // namespace
}  // namespace nephrite
