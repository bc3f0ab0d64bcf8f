# cmake --install: the program, the bundled models, and the library with what find_package(limn) needs.
include(CMakePackageConfigHelpers)
option(LIMN_BUNDLE_LIBTORCH "install LibTorch's CPU libraries beside the program (0.4 GB)" OFF)

set(_private "${CMAKE_INSTALL_LIBDIR}/limn")
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/limn")
get_filename_component(_torch_libraries "${LibTorch_CPU_LIBRARY}" DIRECTORY)

# The program finds a bundled LibTorch wherever the tree is moved to, otherwise the one that it was built with.
set_target_properties(limn PROPERTIES INSTALL_RPATH "$ORIGIN/../${_private};${_torch_libraries}")
install(TARGETS limn RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)
if(TARGET limn_video)
  install(TARGETS limn_video LIBRARY DESTINATION "${_private}" COMPONENT program)
endif()
if(EXISTS "${PROJECT_SOURCE_DIR}/models")
  install(DIRECTORY models/ DESTINATION "${CMAKE_INSTALL_DATADIR}/limn/models" COMPONENT program)
endif()
if(LIMN_BUNDLE_LIBTORCH)
  if(LibTorch_HAS_CUDA)
    message(FATAL_ERROR "LIMN_BUNDLE_LIBTORCH: got a CUDA build of LibTorch, expected a CPU build; NVIDIA's libraries are not copied")
  endif()
  file(GLOB _openmp "${_torch_libraries}/libgomp*")
  install(FILES "${LibTorch_LIBRARY}" "${LibTorch_CPU_LIBRARY}" "${LibTorch_C10_LIBRARY}" ${_openmp}
    DESTINATION "${_private}" COMPONENT program)
endif()

install(TARGETS limn_core limn_vision limn_text limn_fusion EXPORT limnTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library)
install(DIRECTORY core vision text fusion DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/limn" COMPONENT library
  FILES_MATCHING PATTERN "*.h")
install(EXPORT limnTargets NAMESPACE limn:: DESTINATION "${_package}" COMPONENT library)
configure_package_config_file(cmake/limnConfig.cmake.in "${PROJECT_BINARY_DIR}/limnConfig.cmake"
  INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/limnConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/limnConfig.cmake" "${PROJECT_BINARY_DIR}/limnConfigVersion.cmake"
  cmake/FindLibTorch.cmake cmake/FindOpenCV.cmake DESTINATION "${_package}" COMPONENT library)
install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/limn" COMPONENT program)
