#!/usr/bin/env bash
# Installs packages, builds everything and runs all tests. Usage: scripts/test.sh [PRESET] [CTEST OPTION...]
# PRESET: release (default), debug, asan, clang.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
scripts/setup.sh
scripts/build.sh "$preset"
ctest --preset "$preset" -j"$(nproc)" "$@"
