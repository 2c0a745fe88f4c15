// The one place that compiles Boost.JSON's own source.
#include <boost/json/src.hpp>
