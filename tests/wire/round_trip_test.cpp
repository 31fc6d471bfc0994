// Every message comes out as it went in.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "node/wire/messages.h"
#include "runtime/database/object_size.h"
#include "tests/wire/every_field.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

using testing::IsEmpty;

template <class Message>
Message decode(const std::string& bytes, Instant now = kNow) {
  if constexpr (std::is_same_v<Message, FromClient>)
    return decodeFromClient(bytesOf(bytes), now);
  else
    return decodeFromServer(bytesOf(bytes), now);
}

template <class Message>
std::vector<Message> fullMessages() {
  if constexpr (std::is_same_v<Message, FromClient>)
    return fullMessagesOfClient();
  else
    return fullMessagesOfServer();
}

template <class Message>
class RoundTrip : public testing::Test {};
using BothDirections = testing::Types<FromClient, FromServer>;
struct NameOfDirection {
  template <class Message>
  static std::string GetName(int) {
    return std::is_same_v<Message, FromClient> ? "FromClient" : "FromServer";
  }
};
TYPED_TEST_SUITE(RoundTrip, BothDirections, NameOfDirection);

TYPED_TEST(RoundTrip, OfEachMessageIsTried) {
  const auto messages = fullMessages<TypeParam>();
  ASSERT_EQ(messages.size(), std::variant_size_v<TypeParam>);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].index(), i);
    std::visit([&](const auto& body) { EXPECT_THAT(unsetFields(body), IsEmpty()) << i; },
               messages[i]);
  }
}

template <class Message>
void expectSame(const Message& message, const Message& decoded) {
  ASSERT_EQ(decoded.index(), message.index());
  std::visit(
      [&](const auto& body) {
        using Body = std::decay_t<decltype(body)>;
        EXPECT_THAT(differences(body, std::get<Body>(decoded)), IsEmpty()) << message.index();
      },
      message);
}

TYPED_TEST(RoundTrip, KeepsEveryField) {
  for (const TypeParam& message : fullMessages<TypeParam>()) {
    const std::string bytes = encode(message, kNow);
    const TypeParam decoded = decode<TypeParam>(bytes);
    expectSame(message, decoded);
    EXPECT_EQ(encode(decoded, kNow), bytes) << message.index();
  }
}

/// `Message` holding a default-constructed alternative, each in turn.
template <class Message, std::size_t... kIndex>
std::vector<Message> emptyMessages(std::index_sequence<kIndex...>) {
  return {Message(std::in_place_index<kIndex>)...};
}

TYPED_TEST(RoundTrip, KeepsWhatIsEmpty) {
  constexpr std::size_t kKinds = std::variant_size_v<TypeParam>;
  for (const TypeParam& message : emptyMessages<TypeParam>(std::make_index_sequence<kKinds>())) {
    const TypeParam decoded = decode<TypeParam>(encode(message, kNow));
    expectSame(message, decoded);
  }
}

// What limits say of an object's size is never less than what is sent of it.
TEST(SizeOfAnObject, IsAtLeastThatOfItsRecordInAMessage) {
  const std::size_t around = encode(FromServer(ObjectReply{1, nullptr}), kNow).size();
  ObjectRecord record;
  record.oid = Oid(Lifetime::Persistent, 2048, 5);
  const auto fits = [&] {
    const auto sent = std::make_shared<const ObjectRecord>(record);
    const std::size_t bytes = encode(FromServer(ObjectReply{1, sent}), kNow).size() - around;
    EXPECT_LE(bytes, sizeOf(record)) << record.values.size() << " " << record.members.size();
  };
  fits();
  for (const Value& value : someValues()) {
    record.values = {value};
    fits();
    record.values = {};
    for (int i = 0; i < 1'000; ++i) record.values.push_back(value);
    fits();
  }
  record.values = {};
  for (int i = 0; i < 1'000; ++i) record.members.push_back({Value(), record.oid});
  fits();
  for (CollectionMember& member : record.members) member.key = std::string(9, 'k');
  fits();
}

}  // namespace
}  // namespace nephrite::wire
