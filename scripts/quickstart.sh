#!/usr/bin/env bash
# From a fresh Debian machine to a first result: installs packages, builds nibble, and shows where the time and energy of
# Llama-2-7B go on the M-ANT systolic array. Usage: scripts/quickstart.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh release nibble
exec build/release/cli/nibble run --accelerator mant --model llama-2-7b --prefill 2048 --decode 1
