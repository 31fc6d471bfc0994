#include "tests/fuzz/schedule_fuzz.cpp"
#include "tests/support/corpus.h"

namespace nephrite {
namespace {

TEST(ScheduleCorpus, HoldsTheFuzzTargetsPropertyMutatedToo) {
  expectToHold({.folder = "schedule_corpus",
                .pieces = {"AX1- #=\t\r\n\0\xEF\xBB\xBF\xFF\xFE", 16},
                .rounds = 2000,
                .changes = 6},
               LLVMFuzzerTestOneInput);
}

}  // namespace
}  // namespace nephrite
