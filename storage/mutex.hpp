// std::mutex with Clang's thread-safety attributes, which the standard one lacks. Not on read
// paths.
#pragma once

#include <mutex>

#include "storage/thread_annotations.hpp"

namespace aeon::storage {

class AEON_CAPABILITY("mutex") Mutex {
 public:
  void lock() AEON_ACQUIRE() { mutex_.lock(); }
  void unlock() AEON_RELEASE() { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() AEON_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

// Holds the mutex for a scope.
class AEON_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) AEON_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() AEON_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace aeon::storage
