# Each header of the house compiles alone and twice: what it needs it includes itself, and it is guarded.
# leat.h, which users install, also as C++.
#   cmake -DCC=… -DCXX=… -DROOT=… -DSCRATCH=… -DINCLUDES=… -P headers.cmake
# ROOT: the source tree. SCRATCH: a folder to write in. INCLUDES: a list of folders of what we depend on.
# CXX: empty where there is no C++ compiler; that half is then said to be left out.
set(flags -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I${ROOT}" "-I${ROOT}/client/include")
foreach(folder IN LISTS INCLUDES)
  if(folder)
    list(APPEND flags "-isystem${folder}")
  endif()
endforeach()
file(MAKE_DIRECTORY "${SCRATCH}")

# The compiler's words about a file that includes `header` twice; empty if it has none.
function(compile_alone out compiler standard header suffix)
  set(unit "${SCRATCH}/alone.${suffix}")
  file(WRITE "${unit}" "#include \"${header}\"\n#include \"${header}\"\ntypedef int leat_not_empty;\n")
  execute_process(COMMAND "${compiler}" "-std=${standard}" ${flags} "${unit}"
    RESULT_VARIABLE code ERROR_VARIABLE words OUTPUT_VARIABLE words)
  if(code EQUAL 0)
    set(words "")
  elseif(words STREQUAL "")
    set(words "${compiler}: ${code}\n")
  endif()
  set(${out} "${words}" PARENT_SCOPE)
endfunction()

# The check itself is checked: a header that leans on its includer must not pass.
file(WRITE "${SCRATCH}/leans.h" "#ifndef LEANS_H\n#define LEANS_H\nstatic inline size_t leans(void) { return 0; }\n#endif\n")
compile_alone(words "${CC}" c17 "${SCRATCH}/leans.h" c)
if(words STREQUAL "")
  message(FATAL_ERROR "a header that leans on its includer was not found")
endif()

set(failed "")
file(GLOB_RECURSE headers RELATIVE "${ROOT}"
  "${ROOT}/proto/*.h" "${ROOT}/broker/*.h" "${ROOT}/worker/*.h" "${ROOT}/client/*.h")
list(LENGTH headers count)
if(count LESS 10)
  message(FATAL_ERROR "only ${count} headers below ${ROOT}: wrong folder?")
endif()
foreach(header IN LISTS headers)
  compile_alone(words "${CC}" c17 "${header}" c)
  string(APPEND failed "${words}")
endforeach()

if(CXX)
  compile_alone(words "${CXX}" c++11 "client/include/leat.h" cc)
  string(APPEND failed "${words}")
else()
  message(STATUS "no C++ compiler: leat.h was not compiled as C++")
endif()
if(NOT failed STREQUAL "")
  message(FATAL_ERROR "headers that do not compile alone:\n${failed}")
endif()
message(STATUS "${count} headers compile alone")
