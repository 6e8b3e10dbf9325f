#!/usr/bin/env bash
# Runs clang-tidy over the sources of the product. Usage: scripts/check_tidy.sh [PRESET]   (default: release, built before)
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/${1:-release}
if [ ! -f "$build/compile_commands.json" ]; then
  echo "error: $build has no compile_commands.json; run scripts/build.sh ${1:-release} first" >&2
  exit 2
fi
# examples/rtl-pe includes what Verilator makes of a module.
mapfile -t files < <(git ls-files '*.cpp' ':!testbenches' ':!examples/rtl-pe')
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# clang-tidy counts the warnings of system headers on standard error.
if ! printf '%s\0' "${files[@]}" | xargs -0 -P"$(nproc)" -n4 clang-tidy -quiet -p "$build" >"$log" 2>/dev/null; then
  cat "$log" >&2
  exit 1
fi
echo "tidy: ok (${#files[@]} files)"
