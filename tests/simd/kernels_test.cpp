#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>
#include <string>

#include "simd/kernels.hpp"

namespace aeon::simd {
namespace {

TEST_CASE("every available table has its own name and all its functions; scalar is the last") {
  const auto available = available_kernels();
  REQUIRE_FALSE(available.empty());
  std::set<std::string> names;
  for (const Kernels* table : available) {
    names.insert(table->name);
    const auto* pointers = reinterpret_cast<void* const*>(table);
    for (std::size_t i = 0; i < sizeof(Kernels) / sizeof(void*); ++i) CHECK(pointers[i] != nullptr);
  }
  CHECK(names.size() == available.size());
  CHECK(std::string(available.back()->name) == "scalar");
}

TEST_CASE("without a request the best table is taken") {
  const auto available = available_kernels();
  for (const char* nothing : {static_cast<const char*>(nullptr), ""}) {
    const KernelResolution resolution = resolve_kernels(nothing, available);
    CHECK(resolution.table == available.front());
    CHECK(resolution.choice.name == available.front()->name);
    CHECK_FALSE(resolution.choice.forced);
    CHECK(resolution.choice.refused_name.empty());
  }
}

TEST_CASE("a table asked for by name is taken") {
  for (const Kernels* table : available_kernels()) {
    const KernelResolution resolution = resolve_kernels(table->name, available_kernels());
    CHECK(resolution.table == table);
    CHECK(resolution.choice.name == table->name);
    CHECK(resolution.choice.forced);
    CHECK(resolution.choice.refused_name.empty());
  }
}

TEST_CASE("an unknown or unsupported name is refused by name and the best is taken") {
  const Kernels* scalar = available_kernels().back();
  for (const char* name : {"avx2", "avx512vnni", "neon", "AVX2", "scalar ", "fastest"}) {
    const KernelResolution resolution = resolve_kernels(name, {&scalar, 1});
    CHECK(resolution.table == scalar);
    CHECK_FALSE(resolution.choice.forced);
    CHECK(resolution.choice.refused_name == name);
  }
}

// Run by CTest once for each name, with AEON_SIMD set (tests/simd/CMakeLists.txt).
TEST_CASE("the process uses what AEON_SIMD says", "[.forced]") {
  const char* requested = std::getenv("AEON_SIMD");
  REQUIRE(requested != nullptr);
  const KernelChoice choice = kernel_choice();
  CHECK(choice.name == kernels().name);
  bool can_run = false;
  for (const Kernels* table : available_kernels()) can_run |= std::string(table->name) == requested;
  if (can_run) {
    CHECK(choice.name == requested);
    CHECK(choice.forced);
    CHECK(choice.refused_name.empty());
  } else {
    CHECK(&kernels() == available_kernels().front());
    CHECK_FALSE(choice.forced);
    CHECK(choice.refused_name == std::string(requested).substr(0, 31));
  }
}

}  // namespace
}  // namespace aeon::simd
