// Somebody else's program over an installed Nephrite. README.md shows main().
#include <iostream>

#include <objects/object_store.h>
#include <runtime/local/local_database.h>
#include <runtime/nephrite.h>

using namespace nephrite;

int main() {
  std::shared_ptr<ObjectStore> store = ObjectStore::open({.directory = "orders"});
  auto database =
      std::make_shared<LocalDatabase>(store, SystemClock::instance(), LocalDatabase::Options{});
  Node node = Node::signOn(database, "main");
  Process anna = node.signOn({.user = "anna"}), ben = node.signOn({.user = "ben"});
  anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});

  Transaction work(anna);
  Object order = anna.create("Order");
  order.set("total", 42);
  work.commit();  // Durable, then visible, then unlocked.

  order.sharedLock();
  const bool got = ben.object(order.oid()).tryLock(LockType::Exclusive);
  std::cout << order.toString() << (got ? ": ben got it\n" : ": anna reads it, ben has to wait\n");
}
