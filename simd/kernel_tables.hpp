// Private to simd/: the tables that the per-instruction-set files fill.
//
// Those files are compiled with flags the processor may not honour, so nothing they emit may be
// shared with other files: an inline function that both instantiate is kept once by the linker, and
// it might keep the copy with the wider instructions. Hence in these files everything sits in
// anonymous namespaces, xsimd's own namespace is renamed per file, and no std:: function is called.
// tests/simd/shared_symbols.cmake checks the objects.
#pragma once

#include "simd/kernels.hpp"

namespace aeon::simd {

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kNeonKernels;

}  // namespace aeon::simd
