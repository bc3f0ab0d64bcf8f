#!/usr/bin/env bash
# The second command: makes the machine ready, builds Limn, runs all tests; ctest's summary closes the output.
#   bash scripts/test.sh [--yes] [--torch-index URL] [ctest's options …]
set -euo pipefail
cd "$(dirname "$0")/.."

options=() ctest_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --yes) options+=("$1") ;;
    --torch-index) options+=("$1" "${2:?--torch-index: got nothing, expected a URL}"); shift ;;
    -h|--help) sed -n '2,3s/^# *//p' scripts/test.sh; exit 0 ;;
    *) ctest_options+=("$1") ;;
  esac
  shift
done

bash scripts/build.sh "${options[@]}"
exec ctest --test-dir build/release --output-on-failure "${ctest_options[@]}"
