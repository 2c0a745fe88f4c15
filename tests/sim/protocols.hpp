// The lock-free protocols of the library, as scenarios for explore.hpp. They compile the library's
// own headers, so a build that finds a damaged header first explores that one (mutant_main.cpp).
#pragma once

#include <string_view>
#include <vector>

#include "tests/sim/explore.hpp"

namespace aeon::test {

struct Protocol {
  std::string_view name;
  Scenario scenario;
};

[[nodiscard]] const std::vector<Protocol>& protocols();

// As the protocol "snapshot", by a reader that loads the view before the commit number.
[[nodiscard]] Scenario snapshot_in_the_wrong_order();

}  // namespace aeon::test
