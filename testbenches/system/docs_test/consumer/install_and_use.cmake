# cmake -D BUILD=... -D SOURCE=... -D WORK=... -D COMPILER=... -P install_and_use.cmake
# Installs the build below WORK, builds the consumer project against it alone, runs it and the installed program.
file(REMOVE_RECURSE ${WORK})
set(prefix ${WORK}/prefix)

function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY ${WORK}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G Ninja -DCMAKE_PREFIX_PATH=${prefix}
  -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_COMMAND} -E env NIBBLE_PROBES=protocol NIBBLE_CONFIG_PATH=${prefix}/share/nibble/configs ${WORK}/build/platform)
run(${CMAKE_COMMAND} -E env --unset=NIBBLE_CONFIG_PATH ${prefix}/bin/nibble show accelerator mant)
if(NOT output MATCHES "${prefix}/share/nibble/configs")
  message(FATAL_ERROR "the installed program does not read the installed configurations:\n${output}")
endif()
