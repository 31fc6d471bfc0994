# tests/fuzz/<name>.cpp becomes the program <name>, and a test that feeds it a fixed number of
# inputs. By hand: build/fuzz/<name> [corpus folder].
set(NEPHRITE_FUZZ_RUNS 20000 CACHE STRING "Inputs per fuzz target in ctest")
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "NEPHRITE_FUZZ needs clang: cmake --preset fuzz")
endif()

add_custom_target(fuzz)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/*.cpp)
foreach(source IN LISTS sources)
  cmake_path(GET source STEM name)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE nephrite_options Nephrite::runtime Nephrite::ini
    $<TARGET_NAME_IF_EXISTS:Nephrite::node>)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz ${name})
  add_test(NAME ${name} COMMAND ${name} -runs=${NEPHRITE_FUZZ_RUNS} -max_total_time=120 -seed=1)
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endforeach()
