#pragma once

#include <functional>
#include <thread>

namespace nephrite {

/// Runs `work` in a thread that takes no signals: those are for the application's threads, and a
/// pipe whose reader is gone is an error of write(), not the end of the program by SIGPIPE.
/// std::system_error when there is no thread to be had.
std::thread threadWithoutSignals(std::function<void()> work);

}  // namespace nephrite
