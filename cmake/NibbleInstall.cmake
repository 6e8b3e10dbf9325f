include(CMakePackageConfigHelpers)
set(nibble_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nibble)
configure_package_config_file(cmake/nibbleConfig.cmake.in ${PROJECT_BINARY_DIR}/nibbleConfig.cmake
  INSTALL_DESTINATION ${nibble_package_dir} PATH_VARS CMAKE_INSTALL_DATADIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/nibbleConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT nibbleTargets NAMESPACE nibble:: DESTINATION ${nibble_package_dir})
install(FILES ${PROJECT_BINARY_DIR}/nibbleConfig.cmake ${PROJECT_BINARY_DIR}/nibbleConfigVersion.cmake
  cmake/NibbleDependencies.cmake DESTINATION ${nibble_package_dir})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/nibble/configs)
install(DIRECTORY rtl_models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/nibble/rtl FILES_MATCHING PATTERN "*.sv" PATTERN synthesis EXCLUDE)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Of the chart library that is in the pages, and hence in the program.
install(FILES core/page/echarts/LICENSE core/page/echarts/NOTICE core/page/echarts/VERSION
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/echarts)
