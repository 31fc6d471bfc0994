#include "tests/fuzz/ini_fuzz.cpp"
#include "tests/support/corpus.h"

namespace nephrite {
namespace {

TEST(IniCorpus, HoldsTheFuzzTargetsPropertyMutatedToo) {
  expectToHold({.folder = "ini_corpus",
                .pieces = {"[]=;\"# \t\r\n.<\0\xEF\xBB\xBF\xFF\xFE", 18},
                .rounds = 4000,
                .changes = 8},
               LLVMFuzzerTestOneInput);
}

}  // namespace
}  // namespace nephrite
