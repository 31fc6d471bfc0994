# How a room becomes a library, and a folder a program or a sample.

add_library(nephrite_options INTERFACE)
target_compile_features(nephrite_options INTERFACE cxx_std_20)
target_compile_options(nephrite_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  # gcc 12 sees overlaps in std::string that are not there (gcc bug 105651), and warns of members
  # that designated initializers leave at their defaults on purpose.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>
  # Where several files are compiled as one it takes each for a header.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
  # Nobody replaces our functions at load time; gcc would not inline them for fear of that.
  $<$<CXX_COMPILER_ID:GNU>:-fno-semantic-interposition>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>
  $<$<BOOL:${NEPHRITE_WARNINGS_AS_ERRORS}>:-Werror>)
if(NEPHRITE_SANITIZE STREQUAL "address")
  target_compile_options(nephrite_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    # What the sanitizer adds makes gcc see uninitialised members in std::function (std::regex).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(nephrite_options INTERFACE -fsanitize=address,undefined)
elseif(NEPHRITE_SANITIZE STREQUAL "thread")
  target_compile_options(nephrite_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(nephrite_options INTERFACE -fsanitize=thread)
elseif(NEPHRITE_SANITIZE)
  message(FATAL_ERROR "NEPHRITE_SANITIZE is '${NEPHRITE_SANITIZE}'; use address or thread")
endif()
if(NEPHRITE_FUZZ)
  target_compile_options(nephrite_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

set_property(GLOBAL PROPERTY NEPHRITE_LIBRARIES "")

# Where several files are compiled as one (CMAKE_UNITY_BUILD: the sanitizers' presets), not these,
# which call things of their own as a neighbour does.
set_source_files_properties(node/wire/from_server.cpp tests/node/schedule_corpus_test.cpp
  PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# The headers in `folders` in two lists: those that installed_headers.txt names, for applications,
# and internal ones, which other folders of ours may include too. A private one is in neither; a
# comment says so: `// Private to this folder` or `/// Private to <folder>`. It need not compile
# without the folder's own dependencies, and tests/tidy keeps others from including it.
set(installed_headers_list ${CMAKE_CURRENT_SOURCE_DIR}/cmake/installed_headers.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${installed_headers_list})
file(STRINGS ${installed_headers_list} NEPHRITE_INSTALLED_HEADERS REGEX "^[^#]")
list(TRANSFORM NEPHRITE_INSTALLED_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
function(nephrite_headers installed internal folders)
  list(TRANSFORM folders APPEND /*.h)
  file(GLOB headers CONFIGURE_DEPENDS ${folders})
  set(for_applications "")
  set(for_us "")
  foreach(header IN LISTS headers)
    file(STRINGS ${header} private REGEX "^ *///? Private to ")
    if(header IN_LIST NEPHRITE_INSTALLED_HEADERS)
      list(APPEND for_applications ${header})
    elseif(NOT private)
      list(APPEND for_us ${header})
    endif()
  endforeach()
  set(${installed} ${for_applications} PARENT_SCOPE)
  set(${internal} ${for_us} PARENT_SCOPE)
endfunction()

# nephrite_library(<room> [WITH <folders>...] [USES <our rooms>...] [PRIVATE <targets>...])
# The files that stand in the folder <room>, and in the folders WITH below it, become one library:
# nephrite_node_client of node/client, and Nephrite::node_client for those who link it.
function(nephrite_library room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "WITH;USES;PRIVATE")
  string(REPLACE "/" "_" name ${room})
  set(folders ${CMAKE_CURRENT_SOURCE_DIR}/${room})
  foreach(folder IN LISTS arg_WITH)
    list(APPEND folders ${CMAKE_CURRENT_SOURCE_DIR}/${room}/${folder})
  endforeach()
  set(sources ${folders})
  list(TRANSFORM sources APPEND /*.cpp)
  file(GLOB sources CONFIGURE_DEPENDS ${sources})
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  nephrite_headers(headers internal_headers "${folders}")

  add_library(nephrite_${name} STATIC ${sources})
  add_library(Nephrite::${name} ALIAS nephrite_${name})
  target_sources(nephrite_${name} PUBLIC FILE_SET HEADERS
    BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR} FILES ${headers})
  target_link_libraries(nephrite_${name} PRIVATE
    $<BUILD_INTERFACE:nephrite_options> ${arg_PRIVATE})
  foreach(used IN LISTS arg_USES)
    string(REPLACE "/" "_" used ${used})
    target_link_libraries(nephrite_${name} PUBLIC nephrite_${used})
  endforeach()
  target_compile_features(nephrite_${name} PUBLIC cxx_std_20)
  set_target_properties(nephrite_${name} PROPERTIES
    EXPORT_NAME ${name}
    LINKER_LANGUAGE CXX
    POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ON)
  target_include_directories(nephrite_${name} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>)
  set_property(GLOBAL APPEND PROPERTY NEPHRITE_LIBRARIES ${name})

  # Itself and all that it uses, what is used first.
  set(closure "")
  foreach(used IN LISTS arg_USES)
    string(REPLACE "/" "_" used ${used})
    get_property(below GLOBAL PROPERTY NEPHRITE_CLOSURE_OF_${used})
    list(APPEND closure ${below})
  endforeach()
  list(APPEND closure ${name})
  list(REMOVE_DUPLICATES closure)
  set_property(GLOBAL PROPERTY NEPHRITE_CLOSURE_OF_${name} ${closure})

  # Not installed, and compiled by themselves all the same (all_verify_interface_header_sets).
  add_library(nephrite_${name}_internal INTERFACE)
  target_sources(nephrite_${name}_internal INTERFACE FILE_SET HEADERS
    BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR} FILES ${internal_headers})
  target_link_libraries(nephrite_${name}_internal INTERFACE nephrite_${name})
  set_target_properties(nephrite_${name}_internal PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# nephrite_flatbuffers(<folder>/<name>.fbs)
# The target <folder>_<name>_generated, with slashes as underscores: whoever links it may include
# "<folder>/<name>_generated.h", which flatc makes in the build tree. Headers only, SYSTEM: neither
# our warnings nor clang-tidy look into them, and they are not installed.
function(nephrite_flatbuffers schema)
  cmake_path(GET schema PARENT_PATH folder)
  cmake_path(GET schema STEM name)
  string(REPLACE "/" "_" target ${folder}/${name}_generated)
  set(include ${CMAKE_BINARY_DIR}/generated)
  set(header ${include}/${folder}/${name}_generated.h)
  add_custom_command(OUTPUT ${header}
    COMMAND ${NEPHRITE_FLATC} --cpp --scoped-enums -o ${include}/${folder}
      ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
    DEPENDS ${schema} COMMENT "flatc ${schema}" VERBATIM)
  add_library(${target} INTERFACE ${header})
  target_include_directories(${target} SYSTEM INTERFACE ${include})
endfunction()

# nephrite_program(<name> <source> <our room> [<targets>...])
function(nephrite_program name source room)
  string(REPLACE "/" "_" library ${room})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE nephrite_options nephrite_${library} ${ARGN})
  target_compile_definitions(${name} PRIVATE NEPHRITE_VERSION="${PROJECT_VERSION}")
endfunction()

# Every bench/<name>.cpp becomes the program bench_<name>, and so do two of the drivers that
# bench/run compares: bench/floors and bench/nephrite.
function(nephrite_benches)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bench/*.cpp)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    add_executable(bench_${name} ${source})
    target_link_libraries(bench_${name} PRIVATE
      nephrite_options Nephrite::node RocksDB::rocksdb)
  endforeach()

  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bench/driver/*.cpp)
  add_library(nephrite_bench_driver STATIC ${sources})
  target_include_directories(nephrite_bench_driver PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(nephrite_bench_driver PUBLIC nephrite_options Threads::Threads)
  foreach(name IN ITEMS floors nephrite)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bench/${name}/*.cpp)
    add_executable(bench_${name} ${sources})
    target_link_libraries(bench_${name} PRIVATE nephrite_bench_driver)
  endforeach()
  target_link_libraries(bench_nephrite PRIVATE Nephrite::node)
  add_dependencies(bench_nephrite nephrite)  # Whom it starts as the server.
endfunction()

# Every samples/<name>/main.cpp becomes the program sample_<name>.
function(nephrite_samples)
  file(GLOB mains CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/samples/*/main.cpp)
  foreach(main IN LISTS mains)
    cmake_path(GET main PARENT_PATH folder)
    cmake_path(GET folder FILENAME name)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
    add_executable(sample_${name} ${sources})
    target_link_libraries(sample_${name} PRIVATE
      nephrite_options Nephrite::runtime Nephrite::ini $<TARGET_NAME_IF_EXISTS:Nephrite::node>)
  endforeach()
endfunction()
