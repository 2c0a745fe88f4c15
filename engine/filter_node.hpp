// A filter once parsed: a tree of conditions. Grammar: docs/filters.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

namespace aeon::engine {

enum class FilterOperator : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  exists,
  contains,
  // Of children; no field and no operand.
  all,
  any,
  none  // of the one child
};

struct FilterNode {
  FilterOperator op = FilterOperator::all;
  std::string field;
  boost::json::value operand;
  std::vector<std::unique_ptr<FilterNode>> children;

  [[nodiscard]] bool matches(const boost::json::object& metadata) const;
  [[nodiscard]] bool compares(const boost::json::value& value) const;
};

}  // namespace aeon::engine
