#pragma once

// Private to node.

#include <functional>
#include <thread>

namespace nephrite {

/// Calls a function on a thread of its own for each SIGHUP (or once for several that come close
/// together). One at a time in a program; puts the previous handler back at the end.
class HangupListener {
 public:
  explicit HangupListener(std::function<void()> onHangup);
  ~HangupListener();
  HangupListener(const HangupListener&) = delete;
  HangupListener& operator=(const HangupListener&) = delete;

 private:
  void run();

  const std::function<void()> onHangup_;
  int readEnd_ = -1;
  int writeEnd_ = -1;
  std::thread thread_;
};

}  // namespace nephrite
