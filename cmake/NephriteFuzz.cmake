# tests/fuzz/<what>_fuzz.cpp becomes a program of that name, and a test that feeds it a fixed number
# of inputs, beginning with those in tests/fuzz/<what>_corpus. What it finds goes into the first of
# its corpus folders. By hand: build/fuzz/<what>_fuzz [corpus folder]...
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
    $<TARGET_NAME_IF_EXISTS:Nephrite::node> $<TARGET_NAME_IF_EXISTS:Nephrite::node_schedule>)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz ${name})
  string(REGEX REPLACE "_fuzz$" "_corpus" corpus ${name})
  set(folders "")
  if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/${corpus})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/${corpus})
    set(folders ${CMAKE_BINARY_DIR}/${corpus} ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/${corpus})
  endif()
  add_test(NAME ${name} COMMAND ${name}
    -runs=${NEPHRITE_FUZZ_RUNS} -max_total_time=120 -seed=1 ${folders})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endforeach()
