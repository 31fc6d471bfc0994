// What the machine itself takes for what a lock manager cannot do without.

#include "bench/driver/driver.h"
#include "bench/floors/floors.h"

int main(int argc, char** argv) {
  using namespace bench::floors;
  return bench::runDriver(
      argc, argv,
      {{"cas_pair_1k", "one compare-and-swap to take, one to free; 1,000 words, a cache line each",
        casPair1k},
       {"mutex_pair_1k", "lock and unlock of 1,000 std::mutex, a cache line each", mutexPair1k},
       {"hash_mutex_1k", "a naive lock table: mutex + insert, mutex + erase; 1,000 keys",
        hashMutex1k},
       {"hash_mutex_1m_cold",
        "the same for 1,000,000 keys in random order, in a table that has 1,000,000 others",
        hashMutex1mCold},
       {"clock_now", "reading the monotonic clock", clockNow},
       {"scaling_control", "1 and 2 threads, each with a counter of its own: perfect scaling",
        scalingControl},
       {"echo", "128 bytes to an epoll loop in another process and back; a thread a connection",
        echo},
       {"handover", "threads in a ring, each at a semaphore of its own: one wake, one yield a turn",
        handover},
       {"fsync", "4 KiB appended to a file and fdatasync", fsync}});
}
