#include "storage/run_tail_insert.hpp"

namespace aeon::storage {

template class BasicRunTail<StdAtomics>;

}  // namespace aeon::storage
