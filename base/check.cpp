#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace nephrite {

void checkFailed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "nephrite: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace nephrite
