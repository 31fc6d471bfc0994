# find_package(Nephrite) for others: libraries, public headers, the program.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY NEPHRITE_LIBRARIES)
set(targets ${libraries})
list(TRANSFORM targets PREPEND nephrite_)
install(TARGETS ${targets} EXPORT NephriteTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nephrite)
if(TARGET nephrite)
  install(TARGETS nephrite RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(EXPORT NephriteTargets NAMESPACE Nephrite::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Nephrite)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/NephriteConfig.cmake.in
  ${CMAKE_BINARY_DIR}/NephriteConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Nephrite)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/NephriteConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/NephriteConfig.cmake
              ${CMAKE_BINARY_DIR}/NephriteConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Nephrite)
