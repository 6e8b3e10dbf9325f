// SPDX-License-Identifier: Apache-2.0
/// nibble, and a PE of one's own: docs/tutorials/my-own-pe.md.
// excerpt: main
#include "cli/program.h"
#include "narrow_pe.h"
#include "pe/pe_library.h"

int main(int argc, char** argv) {
  nibble::add_pe(narrow_unit());
  return nibble::run_program(argc, argv);
}
// end excerpt
