# For people who work on Leat; nothing here changes what is built or installed.
# ninja format: every C file as .clang-format says. ./dev lint only looks.
find_program(CLANG_FORMAT clang-format)
if(CLANG_FORMAT)
  # Listed when it is run, not at configure time: a new file must not configure everything again.
  add_custom_target(format
    COMMAND find proto broker worker client manual tests docs -name "*.[ch]" -exec ${CLANG_FORMAT} -i {} +
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" VERBATIM)
endif()
