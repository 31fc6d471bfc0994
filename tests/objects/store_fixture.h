#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "objects/object_store.h"

namespace nephrite {

/// A directory of its own for each test; gone at the end.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = testing::TempDir() + "nephrite_objects_XXXXXX";
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed on " + pattern);
    path_ = pattern;
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline ClassDef orderClass() {
  return {.number = 0,
          .name = "Order",
          .kind = ClassKind::Object,
          .keyType = ValueType::Null,
          .properties = {{"customer", ValueType::String}, {"total", ValueType::Integer}}};
}

inline ChangeSet changeSet(ChangeKind kind, ObjectRecord record) {
  ChangeSet changes;
  changes.changes.push_back({kind, std::move(record)});
  return changes;
}

/// Makes one Order and returns its Oid.
inline Oid createOrder(ObjectStore& store, const std::string& customer, std::int32_t total) {
  const Oid oid = store.newOid(store.schema()->find("Order")->number);
  store.commit(changeSet(ChangeKind::Create, {oid, 1, {customer, total}, {}}));
  return oid;
}

/// Gives an Order a new total, based on `edition`.
inline void updateOrder(ObjectStore& store, Oid oid, std::uint32_t edition, std::int32_t total) {
  ObjectRecord record = *store.fetch(oid);
  record.edition = edition;
  record.values.at(1) = total;
  store.commit(changeSet(ChangeKind::Update, record));
}

inline std::int32_t totalOf(const ObjectRecord& order) {
  return std::get<std::int32_t>(order.values.at(1));
}

/// The StoreException that `action` throws; the test fails if it throws none.
template <typename Action>
StoreException failureOf(Action action) {
  try {
    action();
  } catch (const StoreException& error) {
    return error;
  }
  ADD_FAILURE() << "a StoreException was expected";
  return StoreException(StoreException::Reason::Io, "nothing was thrown");
}

}  // namespace nephrite
