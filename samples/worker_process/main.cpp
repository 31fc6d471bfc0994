// A background worker that is a program of its own: a client node whose process signs on as a
// background process. How long it waits for a lock is in the INI file, [JadeClient]
// BackgroundProcessServerTimeout; nothing here names a timeout.
//
// It fills up what the desks sell (samples/desk). When somebody keeps a product for too long it
// says who, and comes back later.

#include <sysexits.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <thread>

#include "ini/ini_problem.h"
#include "node/client_node.h"

using namespace nephrite;
using namespace std::chrono_literals;

namespace {

volatile std::sig_atomic_t stopping = 0;

void fillUp(Process& worker, Object& product) {
  Transaction work(worker);
  product.updateLock();  // Desks that only look may go on looking.
  const int stock = product.get<int>("stock");
  if (stock >= 10) return;
  product.set("stock", stock + 20);
  work.commit();
  std::cout << "worker: 20 more " << product.get<std::string>("name") << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, [](int) { stopping = 1; });
  std::signal(SIGTERM, [](int) { stopping = 1; });
  try {
    ClientNode client({.iniFile = argc > 1 ? argv[1] : "samples/desk/shop.ini",
                       .iniOverrides = {argv + std::min(argc, 2), argv + argc},
                       .nodeName = "worker"});
    client.reloadOnHangup();  // How long it waits may be changed while it runs.
    // Signed on anew when the server was lost.
    while (!stopping) {
      try {
        Process worker =
            client.node().signOn({.user = "batch", .name = "stocker", .background = true});
        worker.defineClass(
            {.name = "Product",
             .properties = {{"name", ValueType::String}, {"stock", ValueType::Integer}}});
        for (std::size_t round = 0; !stopping; ++round) {
          try {
            std::vector<Object> products = worker.instances("Product");  // A desk makes them.
            if (!products.empty()) fillUp(worker, products[round % products.size()]);
          } catch (const LockException& busy) {
            std::cout << "worker: gave up: " << busy.what() << std::endl;
          } catch (const DeadlockException& deadlock) {
            std::cout << "worker: gave way: " << deadlock.what() << std::endl;
          }
          std::this_thread::sleep_for(100ms);
        }
      } catch (const ConnectionException& gone) {
        std::cout << "worker: " << gone.what() << std::endl;
        std::this_thread::sleep_for(200ms);
      } catch (const CommitUnknownException& unknown) {
        // Filling up twice does no harm here; a desk asks what became of its sale.
        std::cout << "worker: " << unknown.what() << std::endl;
      }
    }
    return 0;
  } catch (const IniError& wrong) {
    std::cerr << "worker: " << wrong.what() << '\n';
    return EX_CONFIG;  // nephrite-worker@.service does not start it again.
  } catch (const std::exception& failure) {
    std::cerr << "worker: " << failure.what() << '\n';
    return 1;
  }
}
