// The first error of several threads; the others are dropped.
#pragma once

#include <mutex>
#include <optional>

#include "storage/result.hpp"

namespace aeon::cli {

class FirstError {
 public:
  void note(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }
  [[nodiscard]] Status status() const {
    const std::lock_guard lock(mutex_);
    if (error_) return std::unexpected(*error_);
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace aeon::cli
