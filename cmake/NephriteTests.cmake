# tests/<folder>/*.cpp becomes the program <folder>_test, its tests labelled <folder>; link tests
# and package_test hold the house together.
include(GoogleTest)

file(GLOB support CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/support/*.cpp)
if(support AND NEPHRITE_BUILD_NODE)
  add_library(nephrite_test_support STATIC ${support})
  target_link_libraries(nephrite_test_support PUBLIC nephrite_options nephrite_node GTest::gtest)
endif()

# nephrite_test(<folder> [CONCURRENT] [<targets>...])
# CONCURRENT: the folder's code is run by several threads, so its tests run under tsan too.
add_custom_target(concurrent_tests)
function(nephrite_test folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "CONCURRENT" "" "")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_program\\.cpp$")  # Programs of their own, which tests run.
  if(NOT sources)
    return()
  endif()
  add_executable(${folder}_test ${sources})
  target_include_directories(${folder}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${folder}_test PRIVATE
    NEPHRITE_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" NEPHRITE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${folder}_test PRIVATE
    nephrite_options ${arg_UNPARSED_ARGUMENTS} GTest::gmock GTest::gtest_main)
  if(TARGET nephrite_test_support AND NOT folder MATCHES "^(base|tidy|interleavings)$")
    target_link_libraries(${folder}_test PRIVATE nephrite_test_support)
  endif()
  # Our presets do not optimise tests, which are compiled in half the time then.
  set(computing simulation network interleavings)
  if(NOT folder IN_LIST computing)
    target_compile_options(${folder}_test PRIVATE ${NEPHRITE_TEST_FLAGS})
  endif()
  # In GoogleTest's macros the checks of each pointer take as long to compile as the rest of a test.
  # Our libraries have them all. A test, and what it compiles of our headers, has the other checks
  # of UBSan; a pointer that is null or wild ASan sees.
  if(NEPHRITE_SANITIZE STREQUAL "address")
    target_compile_options(${folder}_test PRIVATE
      -fno-sanitize=null,alignment,vptr,object-size)
  endif()
  set(label ${folder})
  if(arg_CONCURRENT)
    string(APPEND label -concurrent)  # One label: gtest_discover_tests takes lists apart.
    add_dependencies(concurrent_tests ${folder}_test)
  endif()
  if(CMAKE_UNITY_BUILD)  # The presets of ./test.
    set(suites ${CMAKE_BINARY_DIR}/${folder}_suites.cmake)
    file(GENERATE OUTPUT ${suites} CONTENT
      "include(${CMAKE_CURRENT_SOURCE_DIR}/cmake/AddSuites.cmake)
add_suites($<TARGET_FILE:${folder}_test> LABELS ${label} TIMEOUT 1200)\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${suites})
  else()
    gtest_discover_tests(${folder}_test DISCOVERY_MODE PRE_TEST
      PROPERTIES LABELS ${label} TIMEOUT 1200)
  endif()
endfunction()

nephrite_test(base CONCURRENT nephrite_base)
nephrite_test(locking CONCURRENT nephrite_locking Boost::headers)
nephrite_test(lock_events CONCURRENT nephrite_locking Boost::headers)
nephrite_test(lock_domain nephrite_locking)
nephrite_test(objects CONCURRENT nephrite_objects_disk RocksDB::rocksdb)
nephrite_test(disk CONCURRENT nephrite_objects_disk RocksDB::rocksdb)
nephrite_test(ini nephrite_ini)
nephrite_test(tidy)
# Our own synchronisation, built once more from what the explorer of interleavings steps through.
file(GLOB explored CONFIGURE_DEPENDS
  base/*.cpp locking/*.cpp locking/domain/*.cpp locking/table/*.cpp)
nephrite_test(interleavings fmt::fmt Boost::container Threads::Threads)
target_sources(interleavings_test PRIVATE ${explored} node/client/reading_turn.cpp)
target_compile_definitions(interleavings_test PRIVATE
  NEPHRITE_EXPLORED="tests/interleavings/explored_threads.h")
if(NEPHRITE_BUILD_NODE)
  nephrite_test(runtime CONCURRENT nephrite_node)  # On both forms of the Database.
  nephrite_test(database CONCURRENT nephrite_node)
  nephrite_test(faces CONCURRENT nephrite_node)
  nephrite_test(statements CONCURRENT nephrite_node)
  nephrite_test(node CONCURRENT nephrite_node nephrite_node_schedule Boost::json)
  nephrite_test(wire nephrite_node node_wire_wire_generated)
  # Constants of all rooms.
  nephrite_test(documents nephrite_node_program node_wire_wire_generated)
  nephrite_test(spoken nephrite_node)
  nephrite_test(remote CONCURRENT nephrite_node)
  # What the tests of remote stop and kill.
  add_executable(remote_client tests/remote/client_program.cpp)
  target_link_libraries(remote_client PRIVATE nephrite_options nephrite_node)
  add_dependencies(remote_test nephrite remote_client)
  nephrite_test(simulation nephrite_node nephrite_node_schedule)
  nephrite_test(network nephrite_node nephrite_node_schedule)
  file(GLOB model CONFIGURE_DEPENDS tests/simulation/lock_model*.cpp)
  target_sources(network_test PRIVATE  # The slow model, and random numbers.
    ${model} tests/simulation/schedule_generator.cpp)
  add_dependencies(node_test nephrite)  # program_test runs it.
  if(TARGET sample_quickstart)
    add_dependencies(node_test sample_quickstart)  # kill_test runs and kills it.
    add_dependencies(node_test sample_worker_process)  # service_test runs it.
  endif()
endif()

# One link test per library: the whole archive with its declared dependencies alone.
get_property(libraries GLOBAL PROPERTY NEPHRITE_LIBRARIES)
foreach(library IN LISTS libraries)
  set(source ${CMAKE_BINARY_DIR}/link_test/${library}.cpp)
  if(NOT EXISTS ${source})
    file(WRITE ${source} "int main() {}\n")
  endif()
  add_executable(${library}_link_test ${source})
  target_link_libraries(${library}_link_test PRIVATE
    nephrite_options $<LINK_LIBRARY:WHOLE_ARCHIVE,nephrite_${library}>)
  add_test(NAME ${library}_link_test COMMAND ${library}_link_test)
  set_tests_properties(${library}_link_test PROPERTIES LABELS tidy)
endforeach()

# Every sample ends with status 0, on a store of its own: in its own program, and at a server.
file(GLOB sample_inis CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/samples/*/jade.ini)
foreach(sample_ini IN LISTS sample_inis)
  cmake_path(GET sample_ini PARENT_PATH folder)
  cmake_path(GET folder FILENAME name)
  if(TARGET sample_${name})
    add_test(NAME sample_${name} COMMAND sample_${name} ${sample_ini}
      PersistentDb.SystemFileDirectory=${CMAKE_BINARY_DIR}/sample_stores/${name})
    set_tests_properties(sample_${name} PROPERTIES LABELS "samples;concurrent" TIMEOUT 120)
    add_test(NAME sample_${name}_on_server
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/remote/sample_on_server.sh
        $<TARGET_FILE:nephrite> $<TARGET_FILE:sample_${name}> ${sample_ini})
    set_tests_properties(sample_${name}_on_server PROPERTIES
      LABELS "samples;concurrent" TIMEOUT 120)
    add_dependencies(concurrent_tests sample_${name} nephrite)
  endif()
endforeach()

# Installs what was built and builds a program of somebody else's with it. Not with a sanitizer,
# which that somebody would have to use too.
if(NOT NEPHRITE_SANITIZE)
  add_test(NAME package_test COMMAND ${CMAKE_COMMAND}
    -D BUILD_DIR=${CMAKE_BINARY_DIR} -D COMPILER=${CMAKE_CXX_COMPILER}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/tests/package/package_test.cmake)
  set_tests_properties(package_test PROPERTIES LABELS tidy TIMEOUT 300)
endif()
