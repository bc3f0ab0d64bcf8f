# Finds LibTorch (CPU or CUDA build) and defines LibTorch::LibTorch.
#
# Looks in CMAKE_PREFIX_PATH for a LibTorch folder, a Python wheel's `torch` folder, or the folder that
# `torch.utils.cmake_prefix_path` prints. Torch's own package file is not used: it demands a whole CUDA toolkit
# for a CUDA build, although compiling and linking needs none.
set(_hints)
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _hints "${_prefix}" "${_prefix}/torch" "${_prefix}/../..")
endforeach()
if(DEFINED ENV{CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" _environment "$ENV{CMAKE_PREFIX_PATH}")
  foreach(_prefix IN LISTS _environment)
    list(APPEND _hints "${_prefix}" "${_prefix}/torch" "${_prefix}/../..")
  endforeach()
endif()
find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h HINTS ${_hints} PATH_SUFFIXES include)
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${_hints} PATH_SUFFIXES lib lib64)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${_hints} PATH_SUFFIXES lib lib64)
find_library(LibTorch_LIBRARY torch HINTS ${_hints} PATH_SUFFIXES lib lib64)
find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS ${_hints} PATH_SUFFIXES lib lib64)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${_hints} PATH_SUFFIXES lib lib64)

if(LibTorch_INCLUDE_DIR AND EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
elseif(LibTorch_INCLUDE_DIR AND EXISTS "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include/torch/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include/torch/version.h" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
endif()
string(REGEX MATCHALL "[0-9]+" _numbers "${_lines}")
string(JOIN "." LibTorch_VERSION ${_numbers})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "set CMAKE_PREFIX_PATH to a LibTorch folder or to an installed Python wheel's torch folder (torch.utils.cmake_prefix_path), scripts/setup.sh can fetch one")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  get_filename_component(LibTorch_LIBRARY_DIR "${LibTorch_CPU_LIBRARY}" DIRECTORY)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # Operators register themselves when their library loads: keep every one, whether a symbol of it is used or not.
  set(_libraries "${LibTorch_LIBRARY}" "${LibTorch_CPU_LIBRARY}")
  set(LibTorch_HAS_CUDA FALSE)
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    set(LibTorch_HAS_CUDA TRUE)
    list(APPEND _libraries "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}")
  endif()
  list(APPEND _libraries "${LibTorch_C10_LIBRARY}")
  # at::parallel_for is a template: without OpenMP in the including file it runs on one thread.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_property(TARGET LibTorch::LibTorch PROPERTY INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
    list(APPEND _libraries -lgomp)
  endif()
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_COMPILE_DEFINITIONS "AT_PER_OPERATOR_HEADERS"
    INTERFACE_LINK_LIBRARIES "-Wl,--push-state,--no-as-needed;${_libraries};-Wl,--pop-state")
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_LIBRARY LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY)
