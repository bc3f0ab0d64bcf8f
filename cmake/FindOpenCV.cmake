# Finds OpenCV and defines a target per component (opencv_core, …).
#
# OpenCV's own package file is used where it is. Distributions ship it in a package that pulls in every module
# (VTK, Java, …: 200 packages more on Debian), so without it headers and libraries are found one by one.
find_package(OpenCV ${OpenCV_FIND_VERSION} CONFIG QUIET COMPONENTS ${OpenCV_FIND_COMPONENTS})

include(FindPackageHandleStandardArgs)
if(OpenCV_FOUND)
  find_package_handle_standard_args(OpenCV CONFIG_MODE)
  return()
endif()

find_path(OpenCV_INCLUDE_DIR opencv2/core/version.hpp PATH_SUFFIXES opencv4)
if(OpenCV_INCLUDE_DIR)
  file(STRINGS "${OpenCV_INCLUDE_DIR}/opencv2/core/version.hpp" _lines REGEX "define CV_VERSION_(MAJOR|MINOR|REVISION) ")
  string(REGEX MATCHALL "[0-9]+" _numbers "${_lines}")
  string(JOIN "." OpenCV_VERSION ${_numbers})
endif()
set(OpenCV_LIBS)
foreach(_component IN LISTS OpenCV_FIND_COMPONENTS)
  find_library(OpenCV_${_component}_LIBRARY opencv_${_component})
  mark_as_advanced(OpenCV_${_component}_LIBRARY)
  if(OpenCV_INCLUDE_DIR AND OpenCV_${_component}_LIBRARY)
    set(OpenCV_${_component}_FOUND TRUE)
    list(APPEND OpenCV_LIBS opencv_${_component})
    if(NOT TARGET opencv_${_component})
      add_library(opencv_${_component} UNKNOWN IMPORTED GLOBAL)
      set_target_properties(opencv_${_component} PROPERTIES
        IMPORTED_LOCATION "${OpenCV_${_component}_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${OpenCV_INCLUDE_DIR}")
    endif()
  endif()
endforeach()
find_package_handle_standard_args(OpenCV
  REQUIRED_VARS OpenCV_LIBS OpenCV_INCLUDE_DIR VERSION_VAR OpenCV_VERSION HANDLE_COMPONENTS)
mark_as_advanced(OpenCV_INCLUDE_DIR OpenCV_DIR)
