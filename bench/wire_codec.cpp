// What the hot messages of a session cost: nanoseconds to encode and to decode each.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "node/wire/messages.h"

namespace {

using namespace nephrite;

constexpr int kRounds = 2'000'000;
constexpr int kSeries = 5;  // The best counts: what disturbs only adds.

volatile std::size_t sink = 0;  // Keeps what is measured from being left out.

template <class Action>
double nanosecondsOf(Action action) {
  const SystemClock& clock = SystemClock::instance();
  double best = 1e9;
  for (int series = 0; series < kSeries; ++series) {
    const Instant begin = clock.now();
    for (int i = 0; i < kRounds; ++i) sink = sink + action();
    best = std::min(best, static_cast<double>((clock.now() - begin).count()) / kRounds);
  }
  return best;
}

template <class Encode, class Decode>
void measureAs(const char* name, Encode encode, Decode decode) {
  const Instant now = SystemClock::instance().now();
  const std::string bytes(encode(now));
  const std::span span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const double encoding = nanosecondsOf([&] { return encode(now).size(); });
  const double decoding = nanosecondsOf([&] { return decode(span, now).index(); });
  std::printf("%-26s %4zu bytes  encode %5.0f ns  decode %5.0f ns\n", name, bytes.size(), encoding,
              decoding);
}

template <class Message, class Decode>
void measure(const char* name, const Message& message, Decode decode) {
  measureAs(name, [&](Instant now) { return wire::encode(message, now); }, decode);
}

wire::Lock someLock() {
  LockRequest request;
  request.locker = {187};
  request.target = {Oid(Lifetime::Persistent, 2048, 5).bits()};
  request.type = LockType::Exclusive;
  request.inState = true;
  return {7, {{request}, 2}};
}

wire::LockAnswered someAnswer(RecordPtr record) {
  wire::LockReply reply;
  reply.reply.lock.request = someLock().order.order.request;
  reply.reply.lock.token = {99};
  reply.reply.record = std::move(record);
  reply.held = LockInfo();
  return {7, {reply}, {}, {}};
}

wire::LockAnswered someGrants(std::uint32_t count) {
  wire::LockAnswered answered;
  answered.id = 7;
  for (std::uint32_t place = 0; place < count; ++place) {
    answered.grants.push_back({{99}, Instant(), place, 0, LockType::Exclusive, LockType::Get});
  }
  return answered;
}

}  // namespace

int main() {
  const Oid oid(Lifetime::Persistent, 2048, 5);
  const auto record = std::make_shared<const ObjectRecord>(
      ObjectRecord{oid, 3, {std::int32_t{4711}, std::string("a customer's name"), oid, 12.5}});
  measureAs("short Lock", [](Instant) { return wire::encodeShort(someLock()); },
            wire::decodeFromClient);
  measureAs("short Unlock", [&](Instant) { return wire::encodeShort(wire::Unlock{{187}, oid}); },
            wire::decodeFromClient);
  measureAs("short grant", [](Instant now) { return *wire::encodeShort(someGrants(1), now); },
            wire::decodeFromServer);
  measure<wire::FromClient>("Lock", someLock(), wire::decodeFromClient);
  measure<wire::FromClient>("Unlock", wire::Unlock{{187}, oid}, wire::decodeFromClient);
  measure<wire::FromClient>("ReleaseTransaction", wire::ReleaseTransaction{{187}},
                            wire::decodeFromClient);
  measure<wire::FromServer>("LockAnswered, a grant", someGrants(1), wire::decodeFromServer);
  measure<wire::FromServer>("LockAnswered, 16 grants", someGrants(16), wire::decodeFromServer);
  measure<wire::FromServer>("LockAnswered, 4 values", someAnswer(record), wire::decodeFromServer);
  return 0;
}
