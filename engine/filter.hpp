// A filter over metadata: a JSON expression, parsed once per query. Grammar: docs/filters.md.
#pragma once

#include <memory>
#include <string_view>

#include "storage/result.hpp"

namespace aeon::engine {

struct FilterNode;

class Filter {
 public:
  // Errors: invalid_json (malformed), invalid_argument (unknown operator, wrong operand type).
  [[nodiscard]] static Result<std::unique_ptr<Filter>> parse(std::string_view json);
  ~Filter();
  // Whether a memory's metadata (a JSON object, or empty) satisfies the filter. A field that is
  // missing or of another type does not match.
  [[nodiscard]] bool matches(std::string_view metadata) const;

  [[nodiscard]] const FilterNode& root() const noexcept { return *root_; }

 private:
  explicit Filter(std::unique_ptr<FilterNode> root);
  std::unique_ptr<FilterNode> root_;
};

}  // namespace aeon::engine
