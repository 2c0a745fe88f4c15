// The library throws nothing across its API; what it is built on throws when memory is out. Every
// call of the API ends such a throw, by one of these.
#pragma once

#include <new>

#include "storage/result.hpp"

namespace aeon::engine {

// Short enough for no allocation.
[[nodiscard]] inline std::unexpected<Error> no_memory() noexcept {
  return std::unexpected(Error{Errc::no_memory, 0, "out of memory"});
}

template <typename Call>
auto without_exceptions(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

}  // namespace aeon::engine
