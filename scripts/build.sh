#!/usr/bin/env bash
# Configures and builds a preset. Usage: scripts/build.sh PRESET [TARGET...]   (default target: everything)
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:?usage: scripts/build.sh PRESET [TARGET...]}
shift
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  # What another clone compiled serves this one too; objects name their sources relative to the checkout.
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset "$preset" "${launcher[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
targets=()
if [ $# -gt 0 ]; then
  targets=(--target "$@")
fi
# Progress belongs on standard error: standard output is for results.
cmake --build --preset "$preset" "${targets[@]}" >&2
