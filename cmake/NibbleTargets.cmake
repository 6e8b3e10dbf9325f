# One function per kind of target.

# 1 in a build with sanitizers, whose tests take several times as long.
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(NIBBLE_SANITIZED 1)
else()
  set(NIBBLE_SANITIZED 0)
endif()

# Flags of every nibble object. -ffp-contract=off: a fused multiply-add would change results between machines.
add_library(nibble_compile_options INTERFACE)
target_compile_options(nibble_compile_options INTERFACE -Wall -Wextra -Wpedantic -ffp-contract=off)
if(NIBBLE_WARNINGS_AS_ERRORS)
  target_compile_options(nibble_compile_options INTERFACE -Werror)
endif()

# nibble_library(memory [PURE] DEPENDS nibble::transport ... [PRIVATE_DEPENDS ...] HEADERS dram.h ... SOURCES dram.cpp ...)
# PURE: plain C++ without SystemC, compiled with the stricter warnings.
function(nibble_library name)
  cmake_parse_arguments(PARSE_ARGV 1 A "PURE" "" "DEPENDS;PRIVATE_DEPENDS;HEADERS;SOURCES")
  set(target nibble_${name})
  add_library(${target} STATIC ${A_SOURCES})
  add_library(nibble::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX VERIFY_INTERFACE_HEADER_SETS ON)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_17)
  target_link_libraries(${target} PUBLIC ${A_DEPENDS} PRIVATE ${A_PRIVATE_DEPENDS} $<BUILD_INTERFACE:nibble_compile_options>)
  if(A_PURE)
    target_compile_options(${target} PRIVATE -Wshadow -Wconversion)
  endif()
  install(TARGETS ${target} EXPORT nibbleTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nibble)
endfunction()

# nibble_test(dram_test LINK nibble::memory [SYSTEMC] [LABELS ...])
# Builds <name>.cpp; every TEST_CASE becomes a ctest entry and hence a process (the SystemC kernel cannot be restarted).
# SYSTEMC: the test cases may call sc_start; any SystemC warning or error fails the running case.
# Every link of a test has a protocol monitor (docs/base-protocol.md); one without fails its test.
function(nibble_test name)
  cmake_parse_arguments(PARSE_ARGV 1 A "SYSTEMC" "TIMEOUT" "LINK;LABELS;SOURCES")
  if(NOT A_TIMEOUT AND NIBBLE_SANITIZED)
    set(A_TIMEOUT 600)
  elseif(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${name}.cpp ${A_SOURCES})
  if(A_SYSTEMC)
    target_link_libraries(${name} PRIVATE nibble_systemc_test_main ${A_LINK})
  else()
    target_link_libraries(${name} PRIVATE nibble_test_main ${A_LINK})
  endif()
  target_link_libraries(${name} PRIVATE nibble_compile_options)
  if(A_LABELS)
    set(A_LABELS LABELS ${A_LABELS})  # an empty value would swallow the next property
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${name}: "
    PROPERTIES TIMEOUT ${A_TIMEOUT} ENVIRONMENT "SYSTEMC_DISABLE_COPYRIGHT_MESSAGE=1" ${A_LABELS})
endfunction()
