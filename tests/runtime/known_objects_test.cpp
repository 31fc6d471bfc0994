// Locking what is known to be there, and what has gone.

#include <gtest/gtest.h>

#include "runtime/local/known_objects.h"

namespace nephrite {
namespace {

Oid order(std::uint64_t instance) { return Oid(Lifetime::Persistent, 2048, instance); }

TEST(KnownObjects, KnowsWhatWasAddedUntilItIsRemoved) {
  KnownObjects known;
  EXPECT_FALSE(known.contains(order(1)));
  known.add(order(1));
  known.add(order(2));
  EXPECT_TRUE(known.contains(order(1)));
  EXPECT_TRUE(known.contains(order(2)));
  known.remove(order(1));
  EXPECT_FALSE(known.contains(order(1)));
  EXPECT_TRUE(known.contains(order(2)));
}

TEST(KnownObjects, ForgetsTheOneWhosePlaceAnotherTakes) {
  KnownObjects known;
  const Oid other = order(1 + (std::uint64_t{1} << 20));
  known.add(order(1));
  known.add(other);
  EXPECT_FALSE(known.contains(order(1)));
  known.remove(order(1));
  EXPECT_TRUE(known.contains(other)) << "it is not the other's to forget";
}

}  // namespace
}  // namespace nephrite
