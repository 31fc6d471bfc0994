// Nephrite, measured case by case.

#include "base/log.h"
#include "bench/driver/driver.h"
#include "bench/nephrite/cases.h"

int main(int argc, char** argv) {
  using namespace bench::cases;
  return bench::runDriver(
      argc, argv,
      {{"uncontended_1k",
        "Object::exclusiveLock() + unlock(), 1,000 objects round robin, embedded database",
        uncontended1k},
       {"uncontended_1m_cold", "the same over 1,000,000 objects in random order",
        uncontended1mCold},
       {"reentrant", "Object::exclusiveLock() of what is held already", reentrant},
       {"two_threads_distinct", "1 and 2 threads, a process and 1,000 objects each",
        twoThreadsDistinct},
       {"two_threads_shared", "1 and 2 threads, a process each, one object locked Share",
        twoThreadsShared},
       {"handover", "2 to 1,000 threads, a process each, one object, one yield while it is held",
        handover},
       {"remote",
        "lock + unlock from client nodes, a thread each, at a server process; pipelined: 16 locks, "
        "then 16 unlocks, through Database::lock()",
        remote},
       {"vector_1000", "Process::lockAll() of 1,000 objects of a server process", vector1000},
       {"memory_held_1m", "1,000,000 locks of one locker, in LockManager and through the runtime",
        memoryHeld1m},
       {"memory_waiters_1m",
        "1,000,000 lockers that wait in LockManager, ten an object and all for one; small done "
        "functions",
        memoryWaiters1m},
       {"deadlock", "closing request to error, in LockManager and between threads of the runtime",
        deadlock},
       {"join_queue", "one more locker joins a queue of LockManager", joinQueue},
       {"depth_3", "lock + unlock of one object, without a place and at depth 3", depth3},
       {"resource_by_name", "lock + unlock of Process::object(oid) and of Process::resource(name)",
        resourceByName},
       {"leases_1m", "1,000,000 leases of LockManager, renewed by one thread", leases1m},
       {"lapses_20k", "20,000 leases of 0.2 to 2.2 s that end: how late their holder is told",
        lapses},
       {"session_death", "a process with 100,000 locks signs off; another one locks meanwhile",
        sessionDeath},
       {"commit_10", "begin, change 10 of 100,000 objects of 100 bytes, commit", commit10},
       {"timers_1m", "1,000,000 waits that time out within four seconds", timers1m}});
}
