#pragma once

// Private to this folder.

namespace bench::floors {

inline constexpr const char* kSystem = "floor";

void casPair1k();
void mutexPair1k();
void hashMutex1k();
void hashMutex1mCold();
void clockNow();
void scalingControl();
void handover();
void fsync();

void echo();

}  // namespace bench::floors
