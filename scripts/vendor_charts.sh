#!/usr/bin/env bash
# Makes core/page/echarts: the chart library of nibble's pages as one script, its licences and its version.
# Usage: scripts/vendor_charts.sh [--check]   --check compares with what is committed instead (77: no npm or no packages).
#
# npm fetches the exact versions of scripts/charts/package.json by name and refuses what has another hash than
# scripts/charts/package-lock.json. The result is committed, so that a build needs neither network nor node.
# Another version: change package.json, then in a copy of scripts/charts
#   npm install --package-lock-only --omit-lockfile-registry-resolved
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/core/page/echarts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v npm >/dev/null || { echo "vendor_charts: no npm (scripts/setup.sh installs it)" >&2; exit 77; }
cp "$root"/scripts/charts/{package.json,package-lock.json,echarts.js} "$work"
cd "$work"
export npm_config_update_notifier=false npm_config_loglevel=error
if ! npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1; then
  cat npm.log >&2
  grep -qE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|E40[134]' npm.log || exit 1
  echo "vendor_charts: npm cannot fetch the packages" >&2
  exit 77
fi

mkdir made
node_modules/.bin/esbuild echarts.js --bundle --minify --format=iife --global-name=echarts --target=es2020 \
  --charset=ascii --legal-comments=none --log-level=warning --outfile=made/echarts.min.js
version() { node -p "require('./node_modules/$1/package.json').version"; }
{
  echo "Apache ECharts $(version echarts), npm package echarts, Apache-2.0"
  echo "zrender $(version zrender), npm package zrender, BSD-3-Clause"
  echo "tslib $(version tslib), npm package tslib, 0BSD"
  echo "bundled by esbuild $(version esbuild) from scripts/charts/echarts.js: scripts/vendor_charts.sh"
} >made/VERSION
cp node_modules/echarts/NOTICE made/NOTICE
for part in echarts/LICENSE echarts/licenses/LICENSE-d3 zrender/LICENSE tslib/LICENSE.txt; do
  printf '==== %s\n\n' "$part"
  cat "node_modules/$part"
  echo
done >made/LICENSE

if [ "${1:-}" = "--check" ]; then
  diff -rq made "$target" || { echo "vendor_charts: core/page/echarts is not what the step makes" >&2; exit 1; }
  echo "vendor_charts: core/page/echarts is what the step makes"
else
  mkdir -p "$target"
  cp made/* "$target"
fi
