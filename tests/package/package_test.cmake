# Installs a build into a folder of its own, then builds and runs a small program that knows
# nothing but that folder: once through find_package(Nephrite), once through pkg-config.
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

function(expect_refusal)
  if(NOT output MATCHES "^Order/2048\\.[0-9]+: anna reads it, ben has to wait\n$")
    message(FATAL_ERROR "the installed Nephrite does not do what README.md says: ${output}")
  endif()
endfunction()

run("configure with find_package" ${CMAKE_COMMAND} -G Ninja -S ${consumer} -B ${work}/build
  -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${prefix})
run("build with find_package" ${CMAKE_COMMAND} --build ${work}/build)
run("run" ${work}/build/consumer)
expect_refusal()

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
expect_refusal()
