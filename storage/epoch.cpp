#include "storage/epoch_domain.hpp"

namespace aeon::storage {

template class BasicEpochDomain<StdAtomics>;

}  // namespace aeon::storage
