#include "simd/kernels.hpp"

#include <cstdlib>
#include <cstring>

#include "simd/kernel_tables.hpp"

namespace aeon::simd {
namespace {

constexpr std::size_t kMostTables = 3;

struct Available {
  const Kernels* tables[kMostTables];
  std::size_t count = 0;

  void add(const Kernels& table) noexcept { tables[count++] = &table; }

  Available() noexcept {
#if defined(__x86_64__)
    // These builtins also ask the operating system (XGETBV) whether it saves the wide registers.
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("f16c");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    if (avx2 && avx512) add(kAvx512Kernels);
    if (avx2) add(kAvx2Kernels);
#elif defined(__aarch64__)
    add(kNeonKernels);
#endif
    add(kScalarKernels);
  }
};

struct Chosen {
  char requested[32] = {};
  KernelResolution resolution;

  Chosen() noexcept {
    // A copy: later calls of setenv may free what getenv returned.
    if (const char* name = std::getenv("AEON_SIMD")) {
      std::strncpy(requested, name, sizeof(requested) - 1);
    }
    resolution = resolve_kernels(requested, available_kernels());
  }
};

const Chosen& chosen() noexcept {
  static const Chosen the_choice;
  return the_choice;
}

}  // namespace

std::span<const Kernels* const> available_kernels() noexcept {
  static const Available available;
  return {available.tables, available.count};
}

KernelResolution resolve_kernels(const char* requested,
                                 std::span<const Kernels* const> available) noexcept {
  const Kernels* best = available.front();
  if (requested == nullptr || *requested == '\0') return {best, {best->name, false, ""}};
  for (const Kernels* table : available) {
    if (std::strcmp(table->name, requested) == 0) return {table, {table->name, true, ""}};
  }
  return {best, {best->name, false, requested}};
}

const Kernels& kernels() noexcept { return *chosen().resolution.table; }

KernelChoice kernel_choice() noexcept { return chosen().resolution.choice; }

}  // namespace aeon::simd
