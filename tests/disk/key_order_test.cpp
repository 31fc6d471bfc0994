#include "objects/disk/key_order.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "objects/disk/record_codec.h"

namespace nephrite {
namespace {

int sign(int number) { return (number > 0) - (number < 0); }

/// Given: keys of all lengths up to ten, many of them with the same beginning.
class GivenKeys : public testing::Test {
 protected:
  GivenKeys() {
    std::mt19937 random(1);
    const std::string bytes{'\0', 'a', '\x7f', '\x80', '\xff'};
    for (int i = 0; i < 500; ++i) {
      std::string& key = keys.emplace_back(i % 3 == 0 ? 8 : random() % 11, '\0');
      for (char& byte : key) byte = bytes[random() % 5];
    }
  }

  const KeyOrder order;
  const rocksdb::Comparator& plain = *rocksdb::BytewiseComparator();
  std::vector<std::string> keys;
};

TEST_F(GivenKeys, WhenAnyTwoAreComparedThenTheirBytesDecideAsEver) {
  for (const std::string& a : keys) {
    for (const std::string& b : keys) {
      ASSERT_EQ(sign(order.Compare(a, b)), sign(plain.Compare(a, b)))
          << rocksdb::Slice(a).ToString(true) << " and " << rocksdb::Slice(b).ToString(true);
      ASSERT_EQ(order.Equal(a, b), a == b);
    }
  }
}

TEST_F(GivenKeys, WhenAStoreIsOpenedThenTheNameOfItsOrderIsTheOneItWasMadeWith) {
  EXPECT_STREQ(order.Name(), "leveldb.BytewiseComparator");
}

TEST_F(GivenKeys, WhenTheyAreOidsThenTheirNumbersDecide) {
  const Oid low(Lifetime::Persistent, 2048, 255);
  const Oid high(Lifetime::Persistent, 2048, 256);
  EXPECT_LT(order.Compare(encodeOid(low), encodeOid(high)), 0);
  EXPECT_GT(order.Compare(encodeOid(high), encodeOid(low)), 0);
  EXPECT_EQ(order.Compare(encodeOid(low), encodeOid(low)), 0);
}

}  // namespace
}  // namespace nephrite
