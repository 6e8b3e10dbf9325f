#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes every table in docs/ again: first the data that long runs leave (more than an hour of CPU), then the pages from them.
#   scripts/regenerate_docs.sh                          everything, in place
#   scripts/regenerate_docs.sh --only STEP,...          these steps; --skip STEP,...: all but these
#   scripts/regenerate_docs.sh --check [...]            in a copy; lists what differs from this tree, status 1 then
# Steps, in their order:
#   books        cost books that are scaled from others
#   totals       docs/machines/totals.csv
#   pacq         docs/studies/pacq.csv
#   kernels      docs/studies/pacq-kernels.csv
#   experiments  docs/results
#   pages        outputs of commands and tables in all pages
#   images       docs/images, in headless Chromium; not without being named: another version draws other bytes
# NIBBLE: the program (default build/release/cli/nibble). JOBS: runs at a time (default 2).
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
nibble=$(realpath "${NIBBLE:-build/release/cli/nibble}")
jobs=${JOBS:-2}
python=$(sed -n 's/^NIBBLE_PYTHON[^=]*=//p' build/release/CMakeCache.txt 2>/dev/null || true)
: "${python:=python3}"
known="books totals pacq kernels experiments pages images"
steps="books totals pacq kernels experiments pages"
check=false
named() {
  for step in $(echo "$1" | tr , ' '); do
    case " $known " in *" $step "*) echo "$step" ;; *) echo "error: no step '$step'; known: $known" >&2; exit 2 ;; esac
  done
}
while [ $# -gt 0 ]; do
  case $1 in
    --only) chosen=$(named "$2") || exit 2; steps=$chosen; shift 2 ;;
    --skip) chosen=$(named "$2") || exit 2
      for step in $chosen; do steps=$(echo " $steps " | sed "s/ $step / /"); done; shift 2 ;;
    --check) check=true; shift ;;
    *) sed -n '3,16s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
# What runs took on the host, the last three columns, differs from one time to the next: as committed.
host_as_committed() {
  cut -d, -f1-23 "$1" > figures.csv
  cut -d, -f24- "$tree/$1" | paste -d, figures.csv - > "$1"
  rm figures.csv
}
if $check; then
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --ignore-failed-read | tar -xf - -C "$copy"
  cd "$copy"
fi
for step in $known; do
  case " $(echo $steps) " in *" $step "*) ;; *) continue ;; esac
  echo "== $step" >&2
  case $step in
    books) "$python" scripts/scaled_books.py ;;
    totals) "$python" scripts/machine_totals.py --fresh --jobs "$jobs" --nibble "$nibble"
      if $check; then host_as_committed docs/machines/totals.csv; fi ;;
    pacq) "$python" scripts/pacq_study.py --jobs "$jobs" --nibble "$nibble" ;;
    kernels) rm -f docs/studies/pacq-kernels.csv; "$python" scripts/pacq_kernels.py --jobs "$jobs" --nibble "$nibble" ;;
    experiments) "$python" scripts/reproduction.py --fresh --jobs "$jobs" --nibble "$nibble" ;;
    pages) "$python" scripts/check_docs.py --nibble "$nibble" --update ;;
    images) "$python" scripts/page_images.py --nibble "$nibble" ;;
  esac
done
if $check; then
  status=0
  for file in README.md $(find docs configs/technologies -type f | sort); do
    cmp -s "$file" "$tree/$file" || { echo "differs: $file"; status=1; }
  done
  [ $status -ne 0 ] || echo "docs: as committed ($(echo $steps))"
  exit $status
fi
