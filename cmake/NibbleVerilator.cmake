# SystemVerilog tops as SystemC modules. Sets NIBBLE_RTL (on when Verilator is there) and defines nibble_rtl_top().
#
# NIBBLE_RTL_SOURCES: where the SystemVerilog lies; scripts/rtl_mutations.py builds from a changed copy.
# NIBBLE_RTL_LINT: any warning of Verilator's -Wall is an error; off, nothing warns: planted bugs shall reach the test benches.
# NIBBLE_RTL_GATES: the folder in which scripts/synthesize.sh left its netlists: tops with a UNIT are simulated as these gates.
# NIBBLE_RTL_COVERAGE: count executed lines and toggled signals; every test bench writes <test>.coverage when it ends.
# NIBBLE_RTL_OPTIMIZE: of the compiler, for what Verilator writes; -O0 where a build runs once and compiling takes longer than running.
set(NIBBLE_RTL_SOURCES ${PROJECT_SOURCE_DIR}/rtl_models CACHE PATH "SystemVerilog of the PEs")
set(NIBBLE_RTL_OPTIMIZE -O2 CACHE STRING "Optimization of Verilator's output")
option(NIBBLE_RTL_LINT "Check the RTL with Verilator's -Wall" ON)
option(NIBBLE_RTL_COVERAGE "Count executed lines and toggled signals of the RTL" OFF)

set(NIBBLE_RTL_GATES "" CACHE PATH "Netlists of scripts/synthesize.sh to simulate in place of the RTL")
find_program(NIBBLE_VERILATOR verilator)
set(NIBBLE_RTL OFF)
if(NIBBLE_VERILATOR)
  execute_process(COMMAND ${NIBBLE_VERILATOR} --version OUTPUT_VARIABLE nibble_verilator_version)
  execute_process(COMMAND ${NIBBLE_VERILATOR} --getenv VERILATOR_ROOT OUTPUT_VARIABLE nibble_verilator_root
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX MATCH "[0-9]+\\.[0-9]+" nibble_verilator_version "${nibble_verilator_version}")
  if(nibble_verilator_version VERSION_GREATER_EQUAL 5.006)
    set(NIBBLE_RTL ON)
  endif()
endif()
if(NOT NIBBLE_RTL)
  message(STATUS "nibble: Verilator 5.006 or newer was not found: the tests of the RTL are left out. On Debian: "
    "apt-get install verilator (or run scripts/setup.sh)")
  return()
endif()

set(nibble_verilator_flags -O3 --x-assign unique --x-initial unique)
if(NIBBLE_RTL_LINT AND NOT NIBBLE_RTL_GATES)
  list(APPEND nibble_verilator_flags -Wall)
else()
  list(APPEND nibble_verilator_flags -Wno-lint -Wno-style)
endif()
if(NIBBLE_RTL_GATES)
  # Verilator 5.006 joins trees of single-bit gates wrongly: bitfusion_pe's gives -32768 for 0 x 0 without this.
  list(APPEND nibble_verilator_flags -fno-const-bit-op-tree)
endif()
if(NIBBLE_RTL_COVERAGE)
  list(APPEND nibble_verilator_flags --coverage-line --coverage-toggle)
endif()

# Verilator's run time, once. It and the generated code are compiled alike in every build type and not sanitized: they are
# not nibble's, and the test benches around them are.
find_package(Threads REQUIRED)
set(nibble_verilator_include ${nibble_verilator_root}/include)
add_library(nibble_verilated STATIC ${nibble_verilator_include}/verilated.cpp
  ${nibble_verilator_include}/verilated_threads.cpp ${nibble_verilator_include}/verilated_cov.cpp)
target_include_directories(nibble_verilated SYSTEM PUBLIC ${nibble_verilator_include} ${nibble_verilator_include}/vltstd)
target_compile_definitions(nibble_verilated PUBLIC VM_SC=1 VM_TRACE=0 VM_COVERAGE=$<BOOL:${NIBBLE_RTL_COVERAGE}>)
target_compile_options(nibble_verilated PRIVATE -w -O2 -fno-sanitize=all)
target_link_libraries(nibble_verilated PUBLIC nibble::systemc Threads::Threads)

if(NIBBLE_RTL_GATES)
  set(nibble_rtl_cells ${PROJECT_BINARY_DIR}/cells.v)
  set(nibble_liberty /usr/share/qflow/tech/osu018/osu018_stdcells.lib)
  add_custom_command(OUTPUT ${nibble_rtl_cells} VERBATIM COMMENT "Functions of the cells"
    COMMAND yosys -q -p "read_liberty ${nibble_liberty}" -p "write_verilog -noattr ${nibble_rtl_cells}")
  add_custom_target(nibble_rtl_cells DEPENDS ${nibble_rtl_cells})
endif()

# nibble_rtl_top(rtl_mant_array TOP mant_array SOURCES mant/mant_array.sv ... [PARAMETERS ROWS=4 ...] [UNIT unit])
# Library with the SystemC module <name> of the header "<name>.h". UNIT: that of rtl_models/synthesis/units.py with the same
# parameters.
function(nibble_rtl_top name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "TOP;UNIT" "SOURCES;PARAMETERS")
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${name})
  list(TRANSFORM A_SOURCES PREPEND ${NIBBLE_RTL_SOURCES}/)
  if(NIBBLE_RTL_GATES AND A_UNIT)
    set(A_SOURCES ${NIBBLE_RTL_GATES}/${A_UNIT}/netlist.v ${nibble_rtl_cells})
    set(A_TOP ${A_UNIT})
    set(A_PARAMETERS)
  endif()
  list(TRANSFORM A_PARAMETERS PREPEND -G)
  set(command ${NIBBLE_VERILATOR} --sc --prefix ${name} --Mdir ${folder} --top-module ${A_TOP} --no-timing
    ${nibble_verilator_flags} ${A_PARAMETERS} ${A_SOURCES})
  set(gather ${PROJECT_SOURCE_DIR}/cmake/NibbleGatherVerilated.cmake)
  add_custom_command(OUTPUT ${folder}/${name}__all.cpp ${folder}/${name}.h
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${folder}
    COMMAND ${command}
    COMMAND ${CMAKE_COMMAND} -D FOLDER=${folder} -D NAME=${name} -P ${gather}
    DEPENDS ${A_SOURCES} ${gather}
    COMMENT "Verilating ${A_TOP}" VERBATIM)
  add_library(${name} STATIC ${folder}/${name}__all.cpp ${folder}/${name}.h)
  target_include_directories(${name} SYSTEM PUBLIC ${folder})
  target_compile_options(${name} PRIVATE -w ${NIBBLE_RTL_OPTIMIZE} -fno-sanitize=all)
  target_link_libraries(${name} PUBLIC nibble_verilated)
  if(NIBBLE_RTL_GATES)
    add_dependencies(${name} nibble_rtl_cells)
  endif()
endfunction()
