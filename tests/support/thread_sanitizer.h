#pragma once

namespace nephrite {

/// Is this program built with ThreadSanitizer? It brings an operator new of its own, and ends a
/// program that starts a thread after a fork.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEPHRITE_THREAD_SANITIZER 1
#endif
#endif
#ifdef NEPHRITE_THREAD_SANITIZER
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

}  // namespace nephrite
