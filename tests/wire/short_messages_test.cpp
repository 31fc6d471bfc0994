// What is said all the time has a short form, which says the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"
#include "tests/wire/every_field.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

template <class Message>
Message fullMessage() {
  for (const FromClient& message : fullMessagesOfClient()) {
    if (const auto* const found = std::get_if<Message>(&message)) return *found;
  }
  return {};
}

template <class Message>
class ShortMessages : public testing::Test {};
using OfClients = testing::Types<Lock, Unlock>;
struct NameOfMessage {
  template <class Message>
  static std::string GetName(int) {
    return std::is_same_v<Message, Lock> ? "Lock" : "Unlock";
  }
};
TYPED_TEST_SUITE(ShortMessages, OfClients, NameOfMessage);

/// A request for a lease, or for all that is below an object, is never short.
Lock plain(Lock message) {
  message.order.order.request.lease = {};
  message.order.order.request.scope = LockScope::Node;
  return message;
}
Unlock plain(Unlock message) { return message; }

TYPED_TEST(ShortMessages, SayWhatTheTableSays) {
  const auto message = plain(fullMessage<TypeParam>());

  const FromClient told = decodeFromClient(bytesOf(encodeShort(message)), kNow);

  const auto* const same = std::get_if<TypeParam>(&told);
  ASSERT_NE(same, nullptr);
  EXPECT_THAT(differences(message, *same), IsEmpty());
  EXPECT_EQ(encode(told, kNow), encode(FromClient(message), kNow));
}

TYPED_TEST(ShortMessages, TakeFewerBytesThanTables) {
  const auto message = plain(fullMessage<TypeParam>());
  EXPECT_LT(encodeShort(message).size(), encode(FromClient(message), kNow).size());
}

TEST(ShortLockAll, SaysWhatTheTableSays) {
  const LockAll many = exampleLocks();
  const FromClient told = decodeFromClient(bytesOf(*encodeShort(many)), kNow);

  EXPECT_THAT(differences(many, std::get<LockAll>(told)), IsEmpty());
  EXPECT_EQ(encode(told, kNow), encode(FromClient(many), kNow));
}

TEST(ShortLockAll, IsOfObjectsCloseToEachOther) {
  const auto fits = [](const KnownTarget& last) {
    LockAll many = exampleLocks();
    many.targets.back() = last;
    return encodeShort(many).has_value();
  };
  const std::uint64_t first = exampleLocks().targets.front().oid.bits();
  EXPECT_TRUE(fits({Oid::fromBits(first + UINT32_MAX)}));
  EXPECT_FALSE(fits({Oid::fromBits(first + UINT32_MAX + 1)}));
  EXPECT_FALSE(fits({Oid::fromBits(first - 1)}));
  EXPECT_FALSE(fits({Oid::fromBits(first + 1), 0, Existence::CreatedByLocker}));
  EXPECT_FALSE(encodeShort(LockAll{}));
}

TEST(ShortGrants, SayWhatTheTableSays) {
  const LockAnswered granted = exampleGrants();
  const auto bytes = encodeShort(granted, kNow);
  ASSERT_TRUE(bytes);

  const FromServer told = decodeFromServer(bytesOf(*bytes), kNow);

  EXPECT_THAT(differences(granted, std::get<LockAnswered>(told)), IsEmpty());
}

TEST(ShortGrants, AreOfTheSameKind) {
  const auto differs = [](auto change) {
    LockAnswered granted = exampleGrants();
    change(granted.grants.back());
    return !encodeShort(granted, kNow);
  };
  EXPECT_TRUE(differs([](LockGrant& one) { ++one.level; }));
  EXPECT_TRUE(differs([](LockGrant& one) { one.type = LockType::Share; }));
  EXPECT_TRUE(differs([](LockGrant& one) { one.session = LockType::Exclusive; }));
  EXPECT_TRUE(differs([](LockGrant& one) { one.token.value -= 2; }));
  EXPECT_TRUE(differs([](LockGrant& one) { one.token.value += UINT32_MAX; }));
  EXPECT_TRUE(
      differs([](LockGrant& one) { one.since = one.since + -Duration(std::chrono::hours(24)); }));
  EXPECT_TRUE(
      differs([](LockGrant& one) { one.since = one.since + Duration(std::chrono::seconds(5)); }));
}

TEST(ShortGrant, SaysWhatTheTableSays) {
  const LockAnswered granted = exampleGrant();
  const auto bytes = encodeShort(granted, kNow);
  ASSERT_TRUE(bytes);

  const FromServer told = decodeFromServer(bytesOf(*bytes), kNow);

  EXPECT_THAT(differences(granted, std::get<LockAnswered>(told)), IsEmpty());
}

TEST(ShortGrant, IsOfGrantsAlone) {
  LockAnswered none, named = exampleGrant(), refused = exampleGrant();
  named.people.emplace_back();
  refused.replies.emplace_back();
  for (const LockAnswered& more : {none, named, refused}) {
    EXPECT_FALSE(encodeShort(more, kNow)) << more.count();
  }
}

/// `bytes` with the byte at `at` changed to `value`.
std::string with(std::string_view bytes, std::size_t at, std::uint8_t value) {
  std::string changed(bytes);
  changed.at(at) = static_cast<char>(value);
  return changed;
}

TEST(HostileShortMessages, AreRefused) {
  const std::string lock(encodeShort(exampleLock()));
  const std::string unlock(encodeShort(fullMessage<Unlock>()));
  const std::string grant(*encodeShort(exampleGrant(), kNow));
  constexpr std::size_t kType = sizeof(fb::ShortLock) - sizeof(fb::ObjectLockRequest) + 38;
  constexpr std::size_t kPlace = sizeof(fb::ShortGrant) - sizeof(fb::LockGrant) + 16;

  EXPECT_THAT(errorOfClient(lock + "x"), HasSubstr("has 65 bytes instead of 64"));
  EXPECT_THAT(errorOfClient(lock.substr(0, 4)), HasSubstr("has 4 bytes instead of 64"));
  EXPECT_THAT(errorOfClient(unlock.substr(1)), HasSubstr("damaged"));
  EXPECT_THAT(errorOfClient(with(lock, 0, 9)), HasSubstr("a client says nothing short of kind 9"));
  EXPECT_THAT(errorOfClient(with(lock, kType, 0)), HasSubstr("Get is not a lock"));
  EXPECT_THAT(errorOfClient(with(lock, kType, 5)), HasSubstr("there is no lock type 5"));
  EXPECT_THAT(errorOfClient(grant), HasSubstr("a client says nothing short of kind 3"));
  EXPECT_THAT(errorOfServer(lock), HasSubstr("a server says nothing short of kind 1"));
  EXPECT_THAT(errorOfServer(grant.substr(0, 39)), HasSubstr("has 39 bytes instead of 40"));
  EXPECT_THAT(errorOfServer(with(grant, kPlace, 1)), HasSubstr("a grant is out of place"));
}

TEST(HostileShortMessages, OfManyLocksAreRefused) {
  const std::string locks(*encodeShort(exampleLocks()));
  const std::string grants(*encodeShort(exampleGrants(), kNow));
  constexpr std::size_t kCount = 4;  // The place of `count`, of which there are two.

  EXPECT_THAT(errorOfClient(locks.substr(0, 60)), HasSubstr("has 60 bytes instead of 64"));
  EXPECT_THAT(errorOfClient(with(locks, kCount, 3)), HasSubstr("has 80 bytes instead of 88"));
  EXPECT_THAT(errorOfClient(with(locks, kCount + 3, 255)),
              HasSubstr("has 80 bytes instead of 34225520720"));
  EXPECT_THAT(errorOfServer(grants + "x"), HasSubstr("has 57 bytes instead of 56"));
  EXPECT_THAT(errorOfServer(with(grants, kCount, 1)), HasSubstr("has 56 bytes instead of 48"));
}

}  // namespace
}  // namespace nephrite::wire
