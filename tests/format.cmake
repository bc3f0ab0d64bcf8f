# Refuses sources that clang-format 14 would change.
#   cmake -D ROOT=… -D TOOL=clang-format-14 -P format.cmake
file(GLOB_RECURSE files "${ROOT}/core/*.h" "${ROOT}/core/*.cpp" "${ROOT}/vision/*.h" "${ROOT}/vision/*.cpp"
  "${ROOT}/text/*.h" "${ROOT}/text/*.cpp" "${ROOT}/fusion/*.h" "${ROOT}/fusion/*.cpp" "${ROOT}/apps/*.h"
  "${ROOT}/apps/*.cpp" "${ROOT}/tests/*.h" "${ROOT}/tests/*.cpp")
execute_process(COMMAND "${TOOL}" --dry-run -Werror ${files} RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  string(REGEX MATCHALL "[^\n]*error: code should be clang-formatted[^\n]*" lines "${output}")
  list(JOIN lines "\n" text)
  message("${text}")
  message(FATAL_ERROR "format: run clang-format-14 -i on these files")
endif()
