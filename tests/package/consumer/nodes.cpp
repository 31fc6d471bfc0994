// Somebody else's server and client, in one program over an installed Nephrite: a server node on
// the INI file that is named on the command line, and a node that connects to it.
#include <iostream>

#include <node/connect.h>
#include <node/server_node.h>
#include <runtime/nephrite.h>

using namespace nephrite;

int main(int, char** arguments) {
  ServerNode server({.iniFile = arguments[1]});
  Process ben = server.node().signOn({.user = "ben"});

  Node shop = connect("127.0.0.1:" + std::to_string(server.port()));
  Process anna = shop.signOn({.user = "anna"});
  anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
  const Object order = transact(anna, [&] { return anna.create("Order"); });

  order.sharedLock();
  const bool got = ben.object(order.oid()).tryLock(LockType::Exclusive);
  std::cout << (got ? "ben got it\n" : "ben has to wait\n");
}
