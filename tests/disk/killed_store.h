#pragma once

#include "tests/objects/store_fixture.h"

namespace nephrite {

/// A store as a killed program leaves it: orders in a table file, and as many in the write-ahead
/// log alone. Each test takes copies, to do to them what it likes.
class KilledStore {
 public:
  /// `orders`: in each of the two.
  explicit KilledStore(int orders) : orders_(orders) {
    const ObjectStore::Options options{.directory = work_ / "running"};
    auto store = ObjectStore::open(options);
    store->defineClass(orderClass());
    for (int i = 0; i < orders; ++i) createOrder(*store, "in a table", i);
    store.reset();
    store = ObjectStore::open(options);
    for (int i = 0; i < orders; ++i) createOrder(*store, "in the log", i);
    killedIn(options.directory);
  }

  /// From now on another program was killed, which has the store in `directory`.
  void killedIn(const std::filesystem::path& directory) const { copy(directory, work_ / "found"); }

  /// What the killed program left, in place of whatever is at `to`.
  void copyTo(const std::filesystem::path& to) const { copy(work_ / "found", to); }
  /// The same, in a directory that each call makes anew.
  std::filesystem::path victim() const {
    copyTo(work_ / "victim");
    return work_ / "victim";
  }
  std::filesystem::path operator/(std::string_view name) const { return work_ / name; }

  void expectWhole(const ObjectStore& store) const {
    EXPECT_EQ(store.instances(2048).size(), 2u * static_cast<std::size_t>(orders_));
    for (const Oid oid : store.instances(2048)) EXPECT_EQ(store.fetch(oid)->edition, 1u);
  }

 private:
  static void copy(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to);
  }

  const int orders_;
  TempDirectory work_;
};

}  // namespace nephrite
