# Runs the example in a fresh directory and expects the sentence about the key.
file(REMOVE_RECURSE ${WORK})
execute_process(COMMAND ${PROGRAM} ${WORK} OUTPUT_VARIABLE said RESULT_VARIABLE code)
file(REMOVE_RECURSE ${WORK})
if(NOT code EQUAL 0 OR NOT said MATCHES "blue flower pot")
  message(FATAL_ERROR "hello answered ${code}: ${said}")
endif()
