# tests/guard: one test for each line of bounds.txt, which counts instructions. valgrind is needed
# to run it, not to build it. What is counted is what is shipped.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR NOT CMAKE_BUILD_TYPE STREQUAL "Release"
    OR NEPHRITE_SANITIZE OR NOT NEPHRITE_BUILD_NODE)
  message(FATAL_ERROR "NEPHRITE_BUILD_GUARD counts what is shipped: cmake --preset release")
endif()

set(guard ${CMAKE_CURRENT_SOURCE_DIR}/tests/guard)
add_executable(guard_program ${guard}/guard_program.cpp)
target_link_libraries(guard_program PRIVATE nephrite_options Nephrite::node)

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${guard}/bounds.txt)
file(STRINGS ${guard}/bounds.txt bounds REGEX "^[a-z]")
foreach(bound IN LISTS bounds)
  string(REGEX REPLACE " .*" "" name ${bound})
  add_test(NAME guard_${name} COMMAND ${guard}/run --program $<TARGET_FILE:guard_program> ${name})
  set_tests_properties(guard_${name} PROPERTIES LABELS guard TIMEOUT 300)
endforeach()
