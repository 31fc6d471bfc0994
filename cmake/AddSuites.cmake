# Run by ctest as it starts: the tests of one program, each suite of GoogleTest one of ctest's.
# Under a sanitizer a program takes longer to start and to end than most tests to run. What is cut
# in parts on purpose (Shard/, Exhaustive/) stays in parts, which run at once. With
# NEPHRITE_EACH_TEST in the environment each test is one of ctest's, so that -R finds its name.

# add_suites(PROGRAM PROPERTY VALUE...): the properties are those of each of ctest's tests.
function(add_suites program)
  if(NOT EXISTS ${program})
    add_test(${program}_NOT_BUILT ${program}_NOT_BUILT)
    return()
  endif()
  execute_process(COMMAND ${program} --gtest_list_tests
    OUTPUT_VARIABLE listed RESULT_VARIABLE status ERROR_VARIABLE complaint)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${program} does not list its tests (${status}): ${complaint}")
  endif()
  set(names "")
  string(REGEX REPLACE " +#[^\n]*" "" listed "${listed}")  # What the parameters are.
  string(REPLACE "\n" ";" lines "${listed}")
  foreach(line IN LISTS lines)
    if(line MATCHES "^([^ ]+)\\.$")
      set(suite ${CMAKE_MATCH_1})
      set(isApart FALSE)
      if(suite MATCHES "^(Shard|Exhaustive)/" OR DEFINED ENV{NEPHRITE_EACH_TEST})
        set(isApart TRUE)
      else()
        list(APPEND names "${suite}.*")
      endif()
    elseif(line MATCHES "^  ([^ ]+)$" AND isApart)
      list(APPEND names "${suite}.${CMAKE_MATCH_1}")
    endif()
  endforeach()
  if(NOT names)
    message(FATAL_ERROR "${program} --gtest_list_tests names no test:\n${listed}")
  endif()
  foreach(name IN LISTS names)
    add_test("${name}" ${program} "--gtest_filter=${name}")
    set_tests_properties("${name}" PROPERTIES ${ARGN})
  endforeach()
endfunction()
