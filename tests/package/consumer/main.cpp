// Somebody else's program over an installed Nephrite. README.md shows main().
#include <iostream>

#include <runtime/nephrite.h>

using namespace nephrite;

int main() {
  Node shop = open({.directory = "orders"});
  Process anna = shop.signOn({.user = "anna"}), ben = shop.signOn({.user = "ben"});
  anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
  const Object order = transact(anna, [&] { return anna.create("Order"); });
  transact(anna, [&] { order.set("total", 42); });  // Durable, then visible, then unlocked.

  order.sharedLock();
  const bool got = ben.object(order.oid()).tryLock(LockType::Exclusive);
  std::cout << order.toString() << ": " << order.get<int>("total") << " pieces, "
            << (got ? "ben got it\n" : "anna reads it, ben has to wait\n");
}
