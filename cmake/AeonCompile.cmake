# Warnings are errors in every build; instruction sets are chosen per kernel file, never globally.
find_program(AEON_CCACHE ccache)
if(AEON_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${AEON_CCACHE})
endif()

add_library(aeon_compile INTERFACE)
target_compile_options(aeon_compile INTERFACE -Wall -Wextra -Wconversion -Werror
  -ffp-contract=off)  # the same sums on every machine; kernels ask for fused steps by name
target_include_directories(aeon_compile INTERFACE ${CMAKE_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(aeon_compile INTERFACE -Wthread-safety)
endif()
if(AEON_SANITIZE)
  # Half the time to compile, reports name the same lines, and asserts hold.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -gline-tables-only")
  target_compile_options(aeon_compile INTERFACE
    -fsanitize=${AEON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(aeon_compile INTERFACE -fsanitize=${AEON_SANITIZE})
endif()
if(AEON_BUILD_FUZZERS)  # a fuzzer goes by which branches of the library an input reaches
  target_compile_options(aeon_compile INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(aeon_compile INTERFACE -fsanitize=fuzzer-no-link)
endif()

# aeon_floor(NAME storage SOURCES a.cpp b.cpp DEPENDS aeon_simd ...): one static library a floor.
function(aeon_floor)
  cmake_parse_arguments(FLOOR "" "NAME" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(aeon_${FLOOR_NAME} STATIC ${FLOOR_SOURCES})
  target_link_libraries(aeon_${FLOOR_NAME} PUBLIC aeon_compile ${FLOOR_DEPENDS}
                                           PRIVATE ${FLOOR_PRIVATE_DEPENDS})
endfunction()
