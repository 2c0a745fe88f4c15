# Runs an example in a fresh directory and expects that it says a sentence.
file(REMOVE_RECURSE ${WORK})
execute_process(COMMAND ${PROGRAM} ${WORK} OUTPUT_VARIABLE said RESULT_VARIABLE code)
file(REMOVE_RECURSE ${WORK})
if(NOT code EQUAL 0 OR NOT said MATCHES "${EXPECTED}")
  message(FATAL_ERROR "the example answered ${code} without \"${EXPECTED}\": ${said}")
endif()
