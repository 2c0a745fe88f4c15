# Debian 12 packages; aeon-dev setup installs them.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(Boost 1.81 REQUIRED)

# Headers of others are system headers: their warnings are theirs.
function(aeon_system_library name header library)
  find_path(${name}_INCLUDE ${header} REQUIRED)
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${${name}_INCLUDE})
  if(library)
    find_library(${name}_LIBRARY ${library} REQUIRED)
    target_link_libraries(${name} INTERFACE ${${name}_LIBRARY})
  endif()
endfunction()
aeon_system_library(aeon_xxhash xxhash.h xxhash)
aeon_system_library(aeon_numa numa.h numa)
aeon_system_library(aeon_zstd zstd.h zstd)
aeon_system_library(aeon_xsimd xsimd/xsimd.hpp "")
aeon_system_library(aeon_utf8proc utf8proc.h utf8proc)
aeon_system_library(aeon_stemmer libstemmer.h stemmer)
aeon_system_library(aeon_cli11 CLI/CLI.hpp "")

# Optional: the bench of readers compares itself with it.
find_path(AEON_URCU_MEMB_HEADERS urcu/urcu-memb.h)
find_library(AEON_URCU_MEMB_LIBRARY urcu-memb)
if(AEON_URCU_MEMB_HEADERS AND AEON_URCU_MEMB_LIBRARY)
  aeon_system_library(aeon_urcu_memb urcu/urcu-memb.h urcu-memb)
endif()
