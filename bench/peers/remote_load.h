#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/peers/private_server.h"

namespace peers {

/// One connection to a server, as the load sees it: one operation (or one batch of them) at a
/// time, of as many requests and answers as it takes.
class Session {
 public:
  virtual ~Session() = default;

  virtual int socket() const = 0;
  /// Does proceed() wait when there is nothing to read? Else poll() has to, before it.
  virtual bool blocks() const { return true; }
  /// Sends what begins the next operation.
  virtual void begin() = 0;
  /// Reads what is there and sends what follows from it. True when the operation is over. Throws
  /// when an answer is not what the operation needs.
  virtual bool proceed() = 0;
};

using Sessions = std::vector<std::unique_ptr<Session>>;

struct Load {
  std::string system, name, variant;
  std::size_t perBatch = 1;  ///< Operations from one begin() to the proceed() that ends it.
  double seconds = 0.2;
  bool countSwitches = false;  ///< Adds wakes_per_grant of the server.
};

/// Every session does one operation after another, all of them in this one thread, which waits
/// in poll() (with one session: in its read). Warms up for a fifth of the time; prints the figure.
/// p50 and p99 are of single operations; of batches they are batch_p50_ns and batch_p99_ns.
void measureRemote(const Load& load, Sessions& sessions, const PrivateServer& server,
                   std::vector<std::pair<std::string, double>> extra = {});

}  // namespace peers
