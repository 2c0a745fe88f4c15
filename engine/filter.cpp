#include "engine/filter.hpp"

#include <cmath>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include "engine/filter_node.hpp"

namespace aeon::engine {

namespace json = boost::json;

namespace {

struct OperatorName {
  std::string_view name;
  FilterOperator op;
};
constexpr OperatorName kComparisons[] = {{"==", FilterOperator::equal},
                                         {"!=", FilterOperator::not_equal},
                                         {"<", FilterOperator::less},
                                         {"<=", FilterOperator::less_equal},
                                         {">", FilterOperator::greater},
                                         {">=", FilterOperator::greater_equal},
                                         {"in", FilterOperator::in},
                                         {"exists", FilterOperator::exists},
                                         {"contains", FilterOperator::contains}};

bool is_scalar(const json::value& value) {
  return value.is_number() || value.is_string() || value.is_bool();
}

// Holds every whole number of JSON.
using Whole = __int128;

Whole whole(const json::value& value) {
  return value.is_uint64() ? Whole{value.get_uint64()} : Whole{value.get_int64()};
}

// A whole number against a fractional one; exact, where a conversion to double would round.
int compare_whole(const json::value& a, double b) {
  if (b >= 0x1p64) return -1;
  if (b < -0x1p63) return 1;
  const double floor = std::floor(b);
  const Whole x = whole(a);
  const auto y = static_cast<Whole>(floor);
  if (x != y) return x < y ? -1 : 1;
  return b > floor ? -1 : 0;
}

// -1, 0, 1; nullopt for values that have no order between them.
std::optional<int> compare(const json::value& a, const json::value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : (x > y ? 1 : 0); };
  if (a.is_number() && b.is_number()) {
    if (!a.is_double() && !b.is_double()) return sign(whole(a), whole(b));
    if (a.is_double() && b.is_double()) return sign(a.get_double(), b.get_double());
    return a.is_double() ? sign(0, compare_whole(b, a.get_double()))
                         : compare_whole(a, b.get_double());
  }
  if (a.is_string() && b.is_string()) return sign(a.get_string().compare(b.get_string()), 0);
  if (a.is_bool() && b.is_bool()) return sign(a.get_bool(), b.get_bool());
  return std::nullopt;
}

std::unexpected<Error> wrong_operand(std::string_view op, std::string_view wanted) {
  return fail(Errc::invalid_argument, fmt::format("filter operator \"{}\" takes {}", op, wanted));
}

}  // namespace

bool FilterNode::matches(const json::object& metadata) const {
  switch (op) {
    case FilterOperator::all:
      for (const auto& child : children) {
        if (!child->matches(metadata)) return false;
      }
      return true;
    case FilterOperator::any:
      for (const auto& child : children) {
        if (child->matches(metadata)) return true;
      }
      return false;
    case FilterOperator::none: return !children.front()->matches(metadata);
    default: break;
  }
  const json::value* value = metadata.if_contains(field);
  if (op == FilterOperator::exists) return (value != nullptr) == operand.get_bool();
  return value != nullptr && compares(*value);
}

bool FilterNode::compares(const json::value& value) const {
  if (op == FilterOperator::in) {
    for (const json::value& wanted : operand.get_array()) {
      if (compare(value, wanted) == 0) return true;
    }
    return false;
  }
  if (op == FilterOperator::contains) {
    if (value.is_string() && operand.is_string()) {
      return std::string_view(value.get_string()).find(operand.get_string()) !=
             std::string_view::npos;
    }
    if (!value.is_array()) return false;
    for (const json::value& item : value.get_array()) {
      if (compare(item, operand) == 0) return true;
    }
    return false;
  }
  const std::optional<int> order = compare(value, operand);
  if (!order) return false;
  switch (op) {
    case FilterOperator::equal: return *order == 0;
    case FilterOperator::not_equal: return *order != 0;
    case FilterOperator::less: return *order < 0;
    case FilterOperator::less_equal: return *order <= 0;
    case FilterOperator::greater: return *order > 0;
    case FilterOperator::greater_equal: return *order >= 0;
    default: return false;
  }
}

namespace {

// Turns the parsed expression into nodes. Depth is bounded by the JSON parser.
class FilterParser {
 public:
  Result<std::unique_ptr<FilterNode>> expression(const json::value& value) {
    if (!value.is_object()) {
      return fail(Errc::invalid_argument,
                  "a filter is a JSON object, such as {\"page\": {\">\": 3}}");
    }
    auto node = std::make_unique<FilterNode>();
    for (const auto& [name, operand] : value.get_object()) {
      AEON_TRY(name == "and" || name == "or" ? group(name, operand, *node)
               : name == "not"               ? negation(operand, *node)
                                             : field(name, operand, *node));
    }
    return node;
  }

 private:
  Status group(std::string_view name, const json::value& operand, FilterNode& parent) {
    if (!operand.is_array()) return wrong_operand(name, "an array of filters");
    auto node = std::make_unique<FilterNode>();
    node->op = name == "and" ? FilterOperator::all : FilterOperator::any;
    for (const json::value& item : operand.get_array()) {
      AEON_ASSIGN(auto child, expression(item));
      node->children.push_back(std::move(child));
    }
    parent.children.push_back(std::move(node));
    return {};
  }

  Status negation(const json::value& operand, FilterNode& parent) {
    auto node = std::make_unique<FilterNode>();
    node->op = FilterOperator::none;
    AEON_ASSIGN(auto child, expression(operand));
    node->children.push_back(std::move(child));
    parent.children.push_back(std::move(node));
    return {};
  }

  // {"page": 3} means {"page": {"==": 3}}.
  Status field(std::string_view name, const json::value& operand, FilterNode& parent) {
    if (is_scalar(operand)) return comparison(name, "==", operand, parent);
    if (!operand.is_object()) return wrong_operand(name, "a value, or an object of comparisons");
    for (const auto& [op, value] : operand.get_object()) {
      AEON_TRY(comparison(name, op, value, parent));
    }
    return {};
  }

  Status comparison(std::string_view field, std::string_view op, const json::value& operand,
                    FilterNode& parent) {
    for (const OperatorName& known : kComparisons) {
      if (known.name != op) continue;
      AEON_TRY(check(known, operand));
      auto node = std::make_unique<FilterNode>();
      node->op = known.op;
      node->field = field;
      node->operand = operand;
      parent.children.push_back(std::move(node));
      return {};
    }
    return fail(
        Errc::invalid_argument,
        fmt::format("filter operator \"{}\" is unknown; there are ==, !=, <, <=, >, >=, in, "
                    "exists, contains, and, or, not",
                    op));
  }

  static Status check(const OperatorName& known, const json::value& operand) {
    switch (known.op) {
      case FilterOperator::exists:
        return operand.is_bool() ? Status{} : wrong_operand(known.name, "true or false");
      case FilterOperator::in: {
        if (!operand.is_array()) return wrong_operand(known.name, "an array of values");
        for (const json::value& item : operand.get_array()) {
          if (!is_scalar(item)) return wrong_operand(known.name, "an array of plain values");
        }
        return {};
      }
      default:
        return is_scalar(operand) ? Status{}
                                  : wrong_operand(known.name, "a number, a string or a boolean");
    }
  }
};

}  // namespace

Filter::Filter(std::unique_ptr<FilterNode> root) : root_(std::move(root)) {}
Filter::~Filter() = default;

Result<std::unique_ptr<Filter>> Filter::parse(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error)
    return fail(Errc::invalid_json, fmt::format("the filter is not JSON: {}", error.message()));
  AEON_ASSIGN(auto root, FilterParser().expression(value));
  return std::unique_ptr<Filter>(new Filter(std::move(root)));
}

bool Filter::matches(std::string_view metadata) const {
  if (metadata.empty()) return root_->matches({});
  boost::system::error_code error;
  json::monotonic_resource memory;
  const json::value value = json::parse(metadata, error, &memory);
  return !error && value.is_object() && root_->matches(value.get_object());
}

}  // namespace aeon::engine
