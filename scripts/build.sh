#!/usr/bin/env bash
# Set-up, then the release build: the program at build/release/bin/limn, the tests at build/release/bin/limn-tests.
#   bash scripts/build.sh [setup.sh's options] [-- targets…]
set -euo pipefail
cd "$(dirname "$0")/.."

options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
[ $# -eq 0 ] || shift
torch=$(bash scripts/setup.sh "${options[@]}")

build=build/release
if [ ! -f $build/build.ninja ] || [ "$(cat $build/libtorch.txt 2>/dev/null)" != "$torch" ]; then
  launcher=()
  ! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  CMAKE_PREFIX_PATH=$torch${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH} cmake --preset release -U 'LibTorch_*' "${launcher[@]}" >&2
  printf '%s\n' "$torch" > $build/libtorch.txt
fi
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}
# A compilation takes up to 1.2 GB: as many at a time as cores and memory allow.
jobs=$(awk -v cores="$(nproc)" '/^MemAvailable/ { n = int($2 / 1300000); print n < 1 ? 1 : n < cores ? n : cores }' /proc/meminfo)
cmake --build $build -j "$jobs" ${1:+--target "$@"} >&2
