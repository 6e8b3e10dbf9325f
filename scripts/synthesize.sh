#!/usr/bin/env bash
# Area, timing and energy of the PEs of rtl_models/ in the OSU 0.18 um cells: Yosys and ABC, OpenSTA, switching activity of the
# gates on realistic operands. Writes configs/technologies/osu018.yaml, and from it, in a step of its own, the scaled books
# synthesized-45nm, -28nm and -16nm. 20 minutes of one core; netlists and reports stay in build/synthesis, and what has not
# changed since is kept.
# Usage: scripts/synthesize.sh [--only UNIT]... [--check] | --scale
#   --only   one unit of rtl_models/synthesis/units.py: prints its figures, writes no book
#   --check  compare with the committed books instead of writing them
#   --scale  the scaled books alone
set -euo pipefail
cd "$(dirname "$0")/.."

scale=(python3 -B rtl_models/synthesis/scale.py)
[ "${1:-}" != "--scale" ] || exec "${scale[@]}"
for tool in yosys sta; do
  command -v "$tool" >/dev/null || { echo "synthesize: $tool is missing: run scripts/setup.sh" >&2; exit 2; }
done
build=build/release
[ -f $build/CMakeCache.txt ] || cmake --preset release >/dev/null
cmake --build $build --target rtl_operands >/dev/null
python3 -B rtl_models/synthesis/synthesize.py --operands $build/rtl_models/rtl_operands --folder build/synthesis "$@"
case " $* " in
  *" --only "*) ;;
  *" --check "*) "${scale[@]}" --check ;;
  *) "${scale[@]}" ;;
esac
