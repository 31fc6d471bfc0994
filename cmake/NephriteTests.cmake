# tests/<folder>/*_test.cpp becomes the program <folder>_test; link tests hold the layering.
include(GoogleTest)

file(GLOB support CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/support/*.cpp)
if(support)
  add_library(nephrite_test_support STATIC ${support})
  target_link_libraries(nephrite_test_support PUBLIC nephrite_options nephrite_node GTest::gtest)
endif()

function(nephrite_test folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${folder}_test ${sources})
  target_include_directories(${folder}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${folder}_test PRIVATE
    NEPHRITE_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" NEPHRITE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${folder}_test PRIVATE
    nephrite_options ${ARGN} GTest::gmock GTest::gtest_main)
  if(TARGET nephrite_test_support)
    target_link_libraries(${folder}_test PRIVATE nephrite_test_support)
  endif()
  gtest_discover_tests(${folder}_test DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${folder} TIMEOUT 1200)
endfunction()

nephrite_test(base nephrite_base)
nephrite_test(locking nephrite_locking Boost::headers)
nephrite_test(objects nephrite_objects RocksDB::rocksdb)
nephrite_test(ini nephrite_ini)
nephrite_test(runtime nephrite_runtime)
nephrite_test(node nephrite_node Boost::json)
nephrite_test(simulation nephrite_node)
nephrite_test(tidy)

# One link test per library: the whole archive with its declared dependencies alone.
get_property(libraries GLOBAL PROPERTY NEPHRITE_LIBRARIES)
foreach(folder IN LISTS libraries)
  set(source ${CMAKE_BINARY_DIR}/link_test/${folder}.cpp)
  if(NOT EXISTS ${source})
    file(WRITE ${source} "int main() {}\n")
  endif()
  add_executable(${folder}_link_test ${source})
  target_link_libraries(${folder}_link_test PRIVATE
    nephrite_options $<LINK_LIBRARY:WHOLE_ARCHIVE,nephrite_${folder}>)
  add_test(NAME ${folder}_link_test COMMAND ${folder}_link_test)
  set_tests_properties(${folder}_link_test PROPERTIES LABELS tidy)
endforeach()
