#pragma once

// Private to this folder.

namespace bench::cases {

inline constexpr const char* kSystem = "nephrite";

// uncontended.cpp
void uncontended1k();
void uncontended1mCold();
void reentrant();
// threads.cpp
void twoThreadsDistinct();
void twoThreadsShared();
void handover();
void sessionDeath();
// memory.cpp
void memoryHeld1m();
void memoryWaiters1m();
// waiting.cpp
void deadlock();
void joinQueue();
void timers1m();
// sharing.cpp
void depth3();
void resourceByName();
void leases1m();
void lapses();
// remote.cpp
void remote();
void vector1000();
// commit.cpp
void commit10();

}  // namespace bench::cases
