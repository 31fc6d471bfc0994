# Installs a build into a folder of its own, then builds and runs a small program that knows
# nothing but that folder: once through find_package(Nephrite), once through pkg-config. What the
# system reads (units, man page, completion) has to be in its place.
#   cmake -D BUILD_DIR=... -D COMPILER=... -P package_test.cmake
set(work ${BUILD_DIR}/package_test)
set(prefix ${work}/prefix)
set(consumer ${CMAKE_CURRENT_LIST_DIR}/consumer)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

function(run what)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work} RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${what} failed (${status}): ${ARGN}\n${output}")
  endif()
  set(output ${output} PARENT_SCOPE)
  message(STATUS "${what}: well")
endfunction()

run("install" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

# What applications may include is there, and nothing else.
set(include ${prefix}/include/nephrite)
file(GLOB_RECURSE found RELATIVE ${include} ${include}/*)
list(SORT found)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../../cmake/installed_headers.txt wanted REGEX "^[^#]")
if(NOT EXISTS ${prefix}/bin/nephrite)
  list(FILTER wanted EXCLUDE REGEX "^node/")  # A build without the node library.
endif()
list(SORT wanted)
if(NOT found STREQUAL wanted)
  message(FATAL_ERROR
    "cmake/installed_headers.txt names\n  ${wanted}\nand installed was\n  ${found}")
endif()

# README.md shows what the program prints, in the first block after the words "It prints".
file(READ ${CMAKE_CURRENT_LIST_DIR}/../../README.md readme)
string(REGEX MATCH "It prints\n\n```\n([^`]*)```" ignored "${readme}")
set(promised "${CMAKE_MATCH_1}")
function(expect_what_the_readme_says)
  if(promised STREQUAL "" OR NOT output STREQUAL promised)
    message(FATAL_ERROR
      "README.md says that its program prints\n${promised}and it prints\n${output}")
  endif()
endfunction()

run("configure with find_package" ${CMAKE_COMMAND} -G Ninja -S ${consumer} -B ${work}/build
  -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${prefix})
run("build with find_package" ${CMAKE_COMMAND} --build ${work}/build)
run("run" ${work}/build/consumer)
expect_what_the_readme_says()
file(REMOVE_RECURSE ${work}/orders)  # It makes its first order again.

if(EXISTS ${prefix}/bin/nephrite)  # A build with the node library.
  file(WRITE ${work}/node.ini "[PersistentDb]\nSystemFileDirectory=${work}/node_orders\n"
    "[NephriteServer]\nPort=0\n")
  run("run a server and its client" ${work}/build/consumer_of_node ${work}/node.ini)
  if(NOT output MATCHES "ben has to wait\n")  # Among the lines of the server's log.
    message(FATAL_ERROR "a server and its client printed\n${output}")
  endif()
endif()

file(GLOB_RECURSE pcFile ${prefix}/nephrite.pc)
cmake_path(GET pcFile PARENT_PATH pcDir)
set(ENV{PKG_CONFIG_PATH} ${pcDir})
execute_process(COMMAND pkg-config --cflags --libs nephrite
  OUTPUT_VARIABLE flags RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "pkg-config does not know nephrite, though ${pcFile} is installed")
endif()
separate_arguments(flags UNIX_COMMAND "${flags}")
run("build with pkg-config" ${COMPILER} ${consumer}/main.cpp -o ${work}/consumer_pc ${flags})
run("run" ${work}/consumer_pc)
expect_what_the_readme_says()

if(EXISTS ${prefix}/bin/nephrite)
  foreach(file
      lib/systemd/system/nephrite.service lib/systemd/system/nephrite-worker@.service
      share/doc/Nephrite/jade.ini share/man/man1/nephrite.1
      share/bash-completion/completions/nephrite share/zsh/site-functions/_nephrite
      share/fish/vendor_completions.d/nephrite.fish)
    if(NOT EXISTS ${prefix}/${file})
      message(FATAL_ERROR "${file} was not installed")
    endif()
  endforeach()
  run("check the example INI"
    ${prefix}/bin/nephrite ini check ${prefix}/share/doc/Nephrite/jade.ini
    --set NephriteServer.AuditLog=${work}/audit.log)  # Its directory is made by the unit.

  file(READ ${prefix}/lib/systemd/system/nephrite.service unit)
  if(NOT unit MATCHES "ExecStart=${prefix}/bin/nephrite server ")
    message(FATAL_ERROR "nephrite.service does not start the installed program:\n${unit}")
  endif()
  find_program(analyze systemd-analyze)
  if(analyze)
    # A worker named x, for its unit to find.
    file(CREATE_LINK ${prefix}/bin/nephrite ${work}/x SYMBOLIC)
    file(COPY ${work}/x DESTINATION ${prefix}/libexec/nephrite)
    foreach(unit nephrite.service nephrite-worker@x.service)
      execute_process(
        COMMAND ${analyze} verify --man=no ${prefix}/lib/systemd/system/${unit}
        OUTPUT_VARIABLE said ERROR_VARIABLE said)
      if(said MATCHES "nephrite")  # It complains of this machine's other units too.
        message(FATAL_ERROR "systemd does not like ${unit}:\n${said}")
      endif()
      message(STATUS "verify ${unit}: well")
    endforeach()
  endif()
endif()
