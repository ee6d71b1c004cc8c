# The library as its users have it: installed below a prefix of its own, found once by pkg-config and
# once by CMake, by a C and a C++ program that print its version.
#   cmake -DBUILD=… -DSCRATCH=… -DLIBDIR=… -DCC=… -DCXX=… -DPKG_CONFIG=… -DVERSION=… -P install.cmake
# CXX may be empty: that half is then said to be left out.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    string(JOIN " " words ${ARGN})
    message(FATAL_ERROR "${words}: ${code}\n${out}")
  endif()
  set(words "${out}" PARENT_SCOPE)
endfunction()

function(must_print program)
  must(${program})
  if(NOT words STREQUAL "${VERSION}\n")
    message(FATAL_ERROR "${program} printed \"${words}\" and not ${VERSION}")
  endif()
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
set(prefix "${SCRATCH}/prefix")
foreach(component lib dev)
  must("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}" --component ${component})
endforeach()

# What is installed, and nothing else of the library's inside.
foreach(file include/leat.h ${LIBDIR}/libleat.so ${LIBDIR}/pkgconfig/leat.pc ${LIBDIR}/cmake/leat/leatConfig.cmake)
  if(NOT EXISTS "${prefix}/${file}")
    message(FATAL_ERROR "${file} is not installed")
  endif()
endforeach()

file(WRITE "${SCRATCH}/consumer.c"
  "#include <leat.h>\n#include <stdio.h>\nint main(void) { return puts(leat_version()) < 0; }\n")
configure_file("${SCRATCH}/consumer.c" "${SCRATCH}/consumer.cc" COPYONLY)

# pkg-config. The prefix that the file names is where this build would be installed by default.
set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
set(ENV{LD_LIBRARY_PATH} "${prefix}/${LIBDIR}")
must("${PKG_CONFIG}" --modversion leat)
if(NOT words STREQUAL "${VERSION}\n")
  message(FATAL_ERROR "leat.pc has version ${words}")
endif()
must("${PKG_CONFIG}" --define-variable=prefix=${prefix} --cflags --libs leat)
separate_arguments(flags UNIX_COMMAND "${words}")
must("${CC}" -std=c17 -Wall -Wextra -Wpedantic -Werror -o "${SCRATCH}/consumer" "${SCRATCH}/consumer.c" ${flags})
must_print("${SCRATCH}/consumer")
if(CXX)
  must("${CXX}" -std=c++11 -Wall -Wextra -Wpedantic -Werror -o "${SCRATCH}/consumer_cc" "${SCRATCH}/consumer.cc" ${flags})
  must_print("${SCRATCH}/consumer_cc")
else()
  message(STATUS "no C++ compiler: that half was left out")
endif()

# CMake.
file(WRITE "${SCRATCH}/project/CMakeLists.txt" "cmake_minimum_required(VERSION 3.22)
project(consumer C)
find_package(leat ${VERSION} REQUIRED CONFIG)
add_executable(consumer ../consumer.c)
target_link_libraries(consumer PRIVATE leat::leat)
")
must("${CMAKE_COMMAND}" -S "${SCRATCH}/project" -B "${SCRATCH}/project/build" "-DCMAKE_PREFIX_PATH=${prefix}"
  "-DCMAKE_C_COMPILER=${CC}")
must("${CMAKE_COMMAND}" --build "${SCRATCH}/project/build")
must_print("${SCRATCH}/project/build/consumer")
