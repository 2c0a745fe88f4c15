// Names for Clang's thread-safety attributes; nothing for other compilers. A field says which mutex
// guards it, and a Clang build fails where that is not so.
#pragma once

#if defined(__clang__)
#define AEON_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define AEON_THREAD_ATTRIBUTE(x)
#endif

#define AEON_CAPABILITY(name) AEON_THREAD_ATTRIBUTE(capability(name))
#define AEON_SCOPED_CAPABILITY AEON_THREAD_ATTRIBUTE(scoped_lockable)
#define AEON_GUARDED_BY(mutex) AEON_THREAD_ATTRIBUTE(guarded_by(mutex))
#define AEON_PT_GUARDED_BY(mutex) AEON_THREAD_ATTRIBUTE(pt_guarded_by(mutex))
#define AEON_REQUIRES(...) AEON_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define AEON_EXCLUDES(...) AEON_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define AEON_ACQUIRE(...) AEON_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define AEON_TRY_ACQUIRE(...) AEON_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define AEON_RELEASE(...) AEON_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define AEON_NO_THREAD_SAFETY_ANALYSIS AEON_THREAD_ATTRIBUTE(no_thread_safety_analysis)
