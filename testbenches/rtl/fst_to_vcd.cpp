// SPDX-License-Identifier: Apache-2.0
/// Writes an FST file to standard output as VCD, by the format's own reader: what tests read back.
#include <gtkwave/fstapi.h>

#include <cstdio>
#include <systemc>

int sc_main(int argc, char** argv) {
  void* reader = argc == 2 ? fstReaderOpen(argv[1]) : nullptr;
  if (reader == nullptr) {
    std::fputs("usage: fst_to_vcd FILE.fst\n", stderr);
    return 2;
  }
  bool whole = fstReaderProcessHier(reader, stdout) != 0;
  fstReaderSetFacProcessMaskAll(reader);
  whole = whole && fstReaderIterBlocks(reader, nullptr, nullptr, stdout) != 0;
  fstReaderClose(reader);
  return whole ? 0 : 1;
}
