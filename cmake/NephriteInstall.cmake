# What `cmake --install` lays down: libraries, public headers, the program with what the system
# wants beside it (node/service), and two ways for others to find them (find_package(Nephrite),
# pkg-config nephrite). tests/package looks at all of it.
include(CMakePackageConfigHelpers)

# What an application links, Nephrite::runtime, Nephrite::ini and Nephrite::node, with every room
# that these use. The rooms of the program itself stay here.
set(targets "")
foreach(name IN ITEMS runtime ini node)
  get_property(closure GLOBAL PROPERTY NEPHRITE_CLOSURE_OF_${name})
  list(APPEND targets ${closure})
endforeach()
list(REMOVE_DUPLICATES targets)
list(TRANSFORM targets PREPEND nephrite_)
install(TARGETS ${targets} EXPORT NephriteTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nephrite)
if(TARGET nephrite)
  install(TARGETS nephrite RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

  # The units name the program by its full path, and the prefix is known when installing only.
  set(service ${CMAKE_CURRENT_SOURCE_DIR}/node/service)
  foreach(unit nephrite.service nephrite-worker@.service)
    install(CODE "
      set(NEPHRITE_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
      set(NEPHRITE_WORKERDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBEXECDIR}/nephrite\")
      configure_file(\"${service}/${unit}.in\" \"${CMAKE_BINARY_DIR}/service/${unit}\" @ONLY)")
    install(FILES ${CMAKE_BINARY_DIR}/service/${unit} DESTINATION lib/systemd/system)
  endforeach()
  install(FILES ${service}/jade.ini DESTINATION ${CMAKE_INSTALL_DOCDIR})
  install(FILES ${service}/nephrite.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${service}/nephrite.bash RENAME nephrite
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${service}/nephrite.zsh RENAME _nephrite
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${service}/nephrite.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

set(packageDir ${CMAKE_INSTALL_LIBDIR}/cmake/Nephrite)
install(EXPORT NephriteTargets NAMESPACE Nephrite:: DESTINATION ${packageDir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/NephriteConfig.cmake.in
  ${CMAKE_BINARY_DIR}/NephriteConfig.cmake INSTALL_DESTINATION ${packageDir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/NephriteConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_BINARY_DIR}/NephriteConfig.cmake ${CMAKE_BINARY_DIR}/NephriteConfigVersion.cmake
  DESTINATION ${packageDir})

# From the folder of nephrite.pc to where we are installed, so that the tree can be moved.
file(RELATIVE_PATH upToPrefix /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
# The libraries of Nephrite::runtime, each before those that it uses.
get_property(archives GLOBAL PROPERTY NEPHRITE_CLOSURE_OF_runtime)
list(REVERSE archives)
list(TRANSFORM archives PREPEND -lnephrite_)
list(JOIN archives " " archives)
configure_file(${CMAKE_CURRENT_LIST_DIR}/nephrite.pc.in ${CMAKE_BINARY_DIR}/nephrite.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/nephrite.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
