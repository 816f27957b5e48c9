# The extension module: one source file per thing, and kernels.cpp once for each instruction set. Which one runs is
# chosen at run time, so nothing here asks what the building machine has.
find_package(nanobind CONFIG REQUIRED)
find_package(OpenMP COMPONENTS CXX)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(native ${CMAKE_CURRENT_SOURCE_DIR}/src/prunescope/native)

# Instruction sets, lowest first, and what switches each on.
set(isa_flags_baseline "")
set(isa_flags_neon "")
set(isa_flags_avx2 -mavx2 -mfma)
set(isa_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  string(TOLOWER "${CMAKE_OSX_ARCHITECTURES}" processor)
endif()
if(processor MATCHES "^(x86_64|amd64)$")
  set(isas baseline avx2 avx512)
elseif(processor MATCHES "^(aarch64|arm64)$")
  set(isas neon)
else()
  set(isas baseline)
endif()

# What every target of ours is compiled with. Errno and floating-point traps are nobody's business here, and without them
# loops vectorise; sums keep the order that the source says (no -ffast-math). a * b + c may become one instruction: GCC
# does that by default only in its own dialect of C++, not in the standard one asked for here.
add_library(prunescope_options INTERFACE)
target_compile_options(prunescope_options INTERFACE -Wall -Wextra -fno-math-errno -fno-trapping-math -ffp-contract=fast)
foreach(isa IN LISTS isas)
  string(TOUPPER ${isa} upper)
  target_compile_definitions(prunescope_options INTERFACE PRUNESCOPE_HAVE_${upper}=1)
endforeach()
if(OpenMP_CXX_FOUND)
  target_link_libraries(prunescope_options INTERFACE OpenMP::OpenMP_CXX)
else()
  message(STATUS "prunescope: no OpenMP; the native kernels use one thread")
endif()
if(PRUNESCOPE_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_compile_options(prunescope_options INTERFACE ${sanitizers} -fno-omit-frame-pointer -g -O1)
  target_compile_definitions(prunescope_options INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(prunescope_options INTERFACE ${sanitizers})
endif()

# NOMINSIZE: nanobind would compile the module's own sources for size.
nanobind_add_module(_kernels STABLE_ABI NB_STATIC NOMINSIZE NB_SUPPRESS_WARNINGS
  ${native}/module.cpp ${native}/dispatch.cpp ${native}/network.cpp ${native}/forward.cpp ${native}/backward.cpp
  ${native}/dense_passes.cpp ${native}/linear_map.cpp ${native}/pairs.cpp ${native}/layer.cpp)
target_link_libraries(_kernels PRIVATE prunescope_options)

# The order matters. An inline function of the standard library that several objects hold out of line is linked once, from
# the first. The module's own objects come first, then these from the lowest instruction set up, so no machine meets an
# instruction that it lacks.
foreach(isa IN LISTS isas)
  add_library(kernels_${isa} STATIC ${native}/kernels.cpp)
  target_compile_definitions(kernels_${isa} PRIVATE PRUNESCOPE_ISA=${isa})
  target_compile_options(kernels_${isa} PRIVATE ${isa_flags_${isa}})
  target_link_libraries(kernels_${isa} PRIVATE prunescope_options)
  target_link_libraries(_kernels PRIVATE kernels_${isa})
endforeach()

install(TARGETS _kernels LIBRARY DESTINATION prunescope/native)
