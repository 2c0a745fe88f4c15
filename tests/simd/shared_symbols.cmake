# cmake -DNM=nm -DOBJECTS=a.o;b.o -P shared_symbols.cmake
# A function that the linker may merge across files (weak, unique) and that is compiled with AVX-512
# must not be one that other files have too, or they might get the copy that their processor lacks.
# So the kernel files may define such symbols only in xsimd's namespace as each file renames it.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only ${object}
                  OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} can't read ${object}")
  endif()
  string(REPLACE "\n" ";" symbols "${symbols}")
  foreach(symbol IN LISTS symbols)
    if(symbol MATCHES " [WVu] " AND NOT symbol MATCHES "xsimd_of_")
      message(SEND_ERROR "${object} shares ${symbol}")
    endif()
    if(symbol MATCHES " T ")
      message(SEND_ERROR "${object} exports the function ${symbol}; its table is all it may export")
    endif()
  endforeach()
endforeach()
