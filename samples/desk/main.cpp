// A desk of a small shop: a client program that sells what other programs sell, too.
//
// Each sale locks a product, takes its time, as people do, and commits. When the server is lost,
// the desk says so, asks what became of a sale whose answer was lost, and goes on when it is back.

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "node/client_node.h"
#include "shop.h"

using namespace nephrite;
using namespace std::chrono_literals;

namespace {

volatile std::sig_atomic_t closing = 0;

struct Desk {
  ClientNode& client;
  std::string name;
  std::mt19937 random{std::random_device{}()};

  void say(const std::string& what) const { std::cout << name << ": " << what << std::endl; }

  void sellOne(Process& process, std::vector<Object>& products) {
    Object& product = products[random() % products.size()];
    Transaction sale(process);
    product.exclusiveLock(2s);
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 180));
    const int stock = product.get<int>("stock");
    if (stock == 0) {
      say(product.get<std::string>("name") + " are sold out");
      return;  // The guard aborts.
    }
    product.set("stock", stock - 1);
    sale.commit();
    say("sold " + product.get<std::string>("name") + ", " + std::to_string(stock - 1) + " left");
  }

  /// Until the server is lost or the desk closes.
  void serve() {
    Process process = client.node().signOn({.user = name, .name = "desk"});
    std::vector<Object> products = openShop(process);
    while (!closing) {
      try {
        sellOne(process, products);
      } catch (const LockException& busy) {
        say(busy.what());
      } catch (const DeadlockException& deadlock) {
        say(deadlock.what());
      }
    }
  }

  void ask(const CommitId& commit) {
    while (!closing) {
      try {
        const bool took = client.node().commitOutcome(commit) == CommitOutcome::Committed;
        return say(took ? "the last sale did take place" : "the last sale did not take place");
      } catch (const ConnectionException& gone) {
        std::this_thread::sleep_for(200ms);
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: sample_desk INI-FILE NAME [Section.Parameter=value ...]\n";
    return 2;
  }
  std::signal(SIGINT, [](int) { closing = 1; });
  std::signal(SIGTERM, [](int) { closing = 1; });
  try {
    ClientNode client({.iniFile = argv[1],
                       .iniOverrides = {argv + 3, argv + argc},
                       .nodeName = std::string("desk-") + argv[2]});
    Desk desk{client, argv[2]};
    while (!closing) {
      try {
        desk.serve();
      } catch (const CommitUnknownException& unknown) {
        desk.say(unknown.what());
        desk.ask(unknown.commit());
      } catch (const ConnectionException& gone) {
        desk.say(gone.what());
        std::this_thread::sleep_for(200ms);
      }
    }
    desk.say("closed");
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << argv[2] << ": " << failure.what() << '\n';
    return 1;
  }
}
