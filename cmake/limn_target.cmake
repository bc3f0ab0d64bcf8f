# limn_library(<name> [PUBLIC|PRIVATE libraries…]): one folder, one target, every .cpp in it.
set(LIMN_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused
    -Wno-missing-field-initializers)  # designated initialisers leave out what keeps its default

# GCC 12 sees overflows in `"text" + std::to_string(n)` that are not there (GCC bugs 105329 and 105651, mended in 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND LIMN_WARNINGS -Wno-restrict -Wno-stringop-overflow)
endif()

function(limn_compile_settings target)
  target_compile_options(${target} PRIVATE ${LIMN_WARNINGS} $<$<BOOL:${LIMN_WERROR}>:-Werror>)
  if(LIMN_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
  if(LIMN_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  find_program(LIMN_MOLD mold)
  mark_as_advanced(LIMN_MOLD)
  # With a CUDA LibTorch, programs linked by mold 1.10 do not load: "cannot apply additional memory protection".
  if(LIMN_MOLD AND NOT LibTorch_HAS_CUDA)
    target_link_options(${target} PRIVATE -fuse-ld=mold)
  endif()
endfunction()

function(limn_library name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_module\\.cpp$")  # libraries of their own, loaded by the program
  add_library(limn_${name} STATIC ${sources})
  add_library(limn::${name} ALIAS limn_${name})
  set_target_properties(limn_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(limn_${name} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/limn>")
  target_compile_features(limn_${name} PUBLIC cxx_std_20)
  target_link_libraries(limn_${name} ${ARGN})
  limn_compile_settings(limn_${name})
  if(name STREQUAL "core")
    target_precompile_headers(limn_core PRIVATE "${PROJECT_SOURCE_DIR}/core/ops.h")
  else()
    target_precompile_headers(limn_${name} REUSE_FROM limn_core)
  endif()
endfunction()
