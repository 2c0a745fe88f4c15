// Numbers that a run of the tests may set through the environment.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace aeon::test {

[[nodiscard]] inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace aeon::test
