#!/usr/bin/env bash
# Installs every Debian package that building, testing and documenting nibble needs.
# Usage: scripts/setup.sh [--check]   --check prints what is missing and installs nothing (exit 1 if something is).
set -euo pipefail

packages=(
  build-essential cmake ninja-build pkg-config ccache git
  libsystemc-dev libyaml-cpp-dev libcli11-dev catch2 libbenchmark-dev zlib1g-dev
  libboost1.81-dev libboost-json1.81-dev libboost-iostreams1.81-dev
  clang clang-format clang-tidy lld
  verilator yosys berkeley-abc opensta qflow-tech-osu018
  doxygen
  python3 python3-numpy
  chromium-headless-shell nodejs
  slurmctld slurmd slurm-client munge
)
# Debian packs npm apart from nodejs; a nodejs from elsewhere may bring its own, which Debian's package conflicts with.
command -v npm >/dev/null || packages+=(npm)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
if [ "${1:-}" = "--check" ]; then
  echo "missing Debian packages: ${missing[*]}" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: run scripts/setup.sh as root or install sudo" >&2; exit 2; }
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
echo "setup: installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
