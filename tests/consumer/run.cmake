# Installs the build tree into a fresh prefix, then configures, builds and runs a project that says find_package(limn),
# and the installed program.
#   cmake -D BUILD=… -D WORK=… -D TORCH=… -D CXX=… -P run.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: exit status ${result}\n${output}")
  endif()
  message("${output}")
endfunction()

file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
set(ENV{CMAKE_PREFIX_PATH} "${WORK}/prefix:${TORCH}")
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK}/build" -G Ninja
  "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_FLAGS=${FLAGS}")
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${WORK}/build/consumer" "${WORK}/prefix/share/limn/models/limn-small"
  "${CMAKE_CURRENT_LIST_DIR}/../../photos/bicycle-by-the-sign.jpg")
run("${WORK}/prefix/bin/limn" --help)
