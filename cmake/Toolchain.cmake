# Searches for what building the kernels takes. Sets `missing` to what is not there, or to nothing.
set(missing "")
if(NOT CMAKE_CXX_COMPILER)
  unset(CMAKE_CXX_COMPILER CACHE) # one that was not there the last time may be there now
endif()
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(NOT PRUNESCOPE_NATIVE)
  set(missing "switched off at install by PRUNESCOPE_NATIVE=OFF")
  return()
endif()

include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
  set(missing "no C++ compiler at install")
  return()
endif()

enable_language(CXX)
if(MSVC)
  set(missing "the kernels are written for GCC and Clang")
  return()
endif()
if(NOT "cxx_std_20" IN_LIST CMAKE_CXX_COMPILE_FEATURES)
  set(missing "the C++ compiler at install, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, has no C++20")
  return()
endif()

# nanobind uses the targets this makes. The stable ABI that it can build for starts with Python 3.12.
find_package(Python 3.11 COMPONENTS Interpreter Development.Module OPTIONAL_COMPONENTS Development.SABIModule)
if(NOT Python_Development.Module_FOUND)
  set(missing "no Python headers at install")
endif()
