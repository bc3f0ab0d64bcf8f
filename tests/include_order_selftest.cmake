# The include check must refuse what it is there to refuse: one made-up tree per rule.
#   cmake -D WORK=… -P include_order_selftest.cmake
cmake_minimum_required(VERSION 3.22)
set(failures 0)

function(expect name expected)   # then pairs: file, contents
  set(root "${WORK}/${name}")
  file(REMOVE_RECURSE "${root}")
  file(WRITE "${root}/core/tensor.h" "#include <ATen/core/Tensor.h>\n")
  set(pairs "${ARGN}")
  while(pairs)
    list(POP_FRONT pairs file contents)
    file(WRITE "${root}/${file}" "${contents}\n")
  endwhile()
  execute_process(COMMAND "${CMAKE_COMMAND}" -D "ROOT=${root}" -P "${CMAKE_CURRENT_LIST_DIR}/include_order.cmake"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(FIND "${output}" "${expected}" at)
  if((expected STREQUAL "" AND NOT result EQUAL 0) OR (NOT expected STREQUAL "" AND (result EQUAL 0 OR at EQUAL -1)))
    message("FAILED ${name}: expected \"${expected}\", got status ${result}:\n${output}")
    math(EXPR failures "${failures} + 1")
    set(failures ${failures} PARENT_SCOPE)
  else()
    message("ok ${name}")
  endif()
endfunction()

expect(clean "" apps/main.cpp "#include <CLI/CLI.hpp>" vision/image.cpp "#include <opencv2/core.hpp>"
  fusion/model.h "#include \"core/tensor.h\"" core/json.cpp "#include <nlohmann/json.hpp>")
expect(upward "core/a.cpp: includes vision/b.h" core/a.cpp "#include \"vision/b.h\"" vision/b.h "")
expect(sideways "text/a.h: includes vision/b.h" text/a.h "#  include \"vision/b.h\"" vision/b.h "")
expect(apps "fusion/a.cpp: includes apps/b.h" fusion/a.cpp "#include \"apps/b.h\"" apps/b.h "")
expect(tests "core/a.cpp: includes tests/catch.h" core/a.cpp "#include \"tests/catch.h\"")
expect(relative "core/a.cpp: includes ../text/b.h" core/a.cpp "#include \"../text/b.h\"")
expect(cycle "in a circle: text/a.h, text/b.h" text/a.h "#include \"text/b.h\"" text/b.h "#include \"text/a.h\"")
expect(json "text/a.cpp: includes nlohmann/json.hpp" text/a.cpp "#include <nlohmann/json.hpp>")
expect(opencv "fusion/a.cpp: includes opencv2/core.hpp" fusion/a.cpp "#include <opencv2/core.hpp>")
expect(opencv_header "vision/a.h: includes opencv2/core.hpp" vision/a.h "#include <opencv2/core.hpp>")
expect(cli "apps/a.cpp: includes CLI/CLI.hpp" apps/a.cpp "#include <CLI/CLI.hpp>")
expect(torch "torch/torch.h is for one .cpp file" apps/a.cpp "#include <torch/torch.h>" apps/b.cpp "#include <torch/torch.h>")
expect(operators "core/a.h: includes ATen/ops/cat.h" core/a.h "#include <ATen/ops/cat.h>")

if(failures GREATER 0)
  message(FATAL_ERROR "include order: ${failures} made-up trees were not judged rightly")
endif()
