// Reserve, think, then update: hold the strong lock as briefly as can be.
//
// Two clerks sell from one stock. Each reserves the item before deciding, so that no other clerk
// can change it meanwhile, while everybody may still read it. Only the commit itself shuts
// readers out.

#include <algorithm>
#include <iostream>
#include <thread>

#include "node/configured_node.h"

using namespace nephrite;

namespace {

Object itemCalled(Process& process, const std::string& name) {
  ClassDef item;
  item.name = "Item";
  item.properties = {{"name", ValueType::String}, {"inStock", ValueType::Integer}};
  process.defineClass(item);

  Transaction transaction(process);
  Object made = process.create("Item");
  made.set("name", name);
  made.set("inStock", 10);
  transaction.commit();
  return made;
}

// Sells `wanted` pieces if there are as many; says how many are left.
void sell(Process& clerk, Object item, int wanted) {
  Transaction transaction(clerk);
  item.reserveLock();  // From here on nobody else decides about this item; all may read it.
  const int inStock = item.get<std::int32_t>("inStock");
  if (inStock < wanted) {
    std::cout << clerk.info().name << ": only " << inStock << " left, not " << wanted << "\n";
    return;  // The transaction aborts, and with it goes the reserve lock.
  }
  item.updateLock();
  item.set("inStock", inStock - wanted);
  transaction.commit();
  std::cout << clerk.info().name << ": sold " << wanted << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  ConfiguredNode database({.iniFile = argc > 1 ? argv[1] : "samples/reserve_then_update/jade.ini",
                         .iniOverrides = {argv + std::min(argc, 2), argv + argc}});
  Process manager = database.node().signOn({.user = "clara", .name = "manager"});
  const Object item = itemCalled(manager, "lamp");

  std::jthread anna([&] {
    Process clerk = database.node().signOn({.user = "anna", .name = "anna"});
    for (int i = 0; i < 3; ++i) sell(clerk, clerk.object(item.oid()), 2);
  });
  std::jthread ben([&] {
    Process clerk = database.node().signOn({.user = "ben", .name = "ben"});
    for (int i = 0; i < 3; ++i) sell(clerk, clerk.object(item.oid()), 2);
  });
  anna.join();
  ben.join();

  const int left = item.get<std::int32_t>("inStock");
  std::cout << left << " left, edition " << item.edition() << "\n";
  return left == 0 && item.edition() == 6 ? 0 : 1;
}
