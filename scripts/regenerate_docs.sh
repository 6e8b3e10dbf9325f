#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes every table in docs/ again: first the data that long runs leave (about an hour of CPU), then the pages from them.
#   scripts/regenerate_docs.sh            everything
#   scripts/regenerate_docs.sh --pages    the pages only, from the data that is there
set -eu
cd "$(dirname "$0")/.."
nibble=${NIBBLE:-build/release/cli/nibble}
python=$(sed -n 's/^NIBBLE_PYTHON[^=]*=//p' build/release/CMakeCache.txt)
: "${python:=python3}"
if [ "${1:-}" != --pages ]; then
  "$python" scripts/scaled_books.py
  "$python" scripts/machine_totals.py --fresh --nibble "$nibble"
  "$python" scripts/pacq_study.py --nibble "$nibble"
  "$python" scripts/amove_tensor_core_study.py --fresh --nibble "$nibble"
  "$python" scripts/reproduction.py --fresh --nibble "$nibble"
fi
"$python" scripts/check_docs.py --nibble "$nibble" --update
