# Finds what nibble's public headers and libraries need. Used by the build and, installed beside
# nibbleConfig.cmake, by every consumer: one rule for both.
include(CMakeFindDependencyMacro)

if(NOT TARGET nibble::systemc)
  # Accellera's own package when SystemC was built with CMake; systemc.pc on Debian and Ubuntu.
  find_package(SystemCLanguage CONFIG QUIET)
  if(SystemCLanguage_FOUND)
    if(DEFINED SystemC_CXX_STANDARD AND NOT SystemC_CXX_STANDARD EQUAL 17)
      message(FATAL_ERROR
        "nibble: the SystemC in ${SystemCLanguage_DIR} was built for C++${SystemC_CXX_STANDARD}; nibble needs one built "
        "for C++17 (configure SystemC with -DCMAKE_CXX_STANDARD=17)")
    endif()
    add_library(nibble::systemc INTERFACE IMPORTED)
    target_link_libraries(nibble::systemc INTERFACE SystemC::systemc)
  else()
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
      pkg_check_modules(NIBBLE_SYSTEMC QUIET IMPORTED_TARGET systemc>=2.3.3)
    endif()
    if(NOT TARGET PkgConfig::NIBBLE_SYSTEMC)
      message(FATAL_ERROR
        "nibble: SystemC 2.3.3 or newer, built for C++17, was not found, neither as CMake package SystemCLanguage nor "
        "through pkg-config. On Debian: apt-get install libsystemc-dev pkg-config (or run scripts/setup.sh). For a SystemC of your own: "
        "-DCMAKE_PREFIX_PATH=<its install prefix>, built with CMAKE_CXX_STANDARD=17.")
    endif()
    add_library(nibble::systemc INTERFACE IMPORTED)
    target_link_libraries(nibble::systemc INTERFACE PkgConfig::NIBBLE_SYSTEMC)
  endif()
  # sc_thread processes and TLM sockets need dynamic process creation in 2.3.x headers.
  target_compile_definitions(nibble::systemc INTERFACE SC_INCLUDE_DYNAMIC_PROCESSES)
endif()

# FST waveforms: by the sources that Verilator brings along, where they and zlib are there. A package says what it was built with.
if(NOT DEFINED NIBBLE_FST)
  find_path(NIBBLE_FST_INCLUDE gtkwave/fstapi.c PATHS $ENV{VERILATOR_ROOT}/include /usr/share/verilator/include
    /usr/local/share/verilator/include NO_DEFAULT_PATH)
  find_package(ZLIB QUIET)
  if(NIBBLE_FST_INCLUDE AND ZLIB_FOUND)
    set(NIBBLE_FST ON)
  else()
    set(NIBBLE_FST OFF)
  endif()
elseif(NIBBLE_FST)
  find_dependency(ZLIB)
endif()

find_package(yaml-cpp QUIET)
if(NOT yaml-cpp_FOUND)
  message(FATAL_ERROR "nibble: yaml-cpp was not found. On Debian: apt-get install libyaml-cpp-dev (or run scripts/setup.sh)")
endif()
find_package(Boost 1.75 QUIET COMPONENTS json iostreams)
if(NOT Boost_FOUND)
  message(FATAL_ERROR
    "nibble: Boost 1.75 or newer with JSON and Iostreams was not found. On Debian: apt-get install libboost1.81-dev "
    "libboost-json1.81-dev libboost-iostreams1.81-dev (or run scripts/setup.sh); these do not install beside libboost-dev")
endif()
