# cmake -D FOLDER=... -D NAME=... -P NibbleGatherVerilated.cmake
# Verilator names its files after hashes, so a build system cannot know them; one file that includes them all it can.
file(GLOB generated RELATIVE ${FOLDER} ${FOLDER}/*.cpp)
list(REMOVE_ITEM generated ${NAME}__all.cpp)
list(SORT generated)
set(text "")
foreach(file IN LISTS generated)
  string(APPEND text "#include \"${file}\"\n")
endforeach()
file(WRITE ${FOLDER}/${NAME}__all.cpp "${text}")
