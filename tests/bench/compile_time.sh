#!/usr/bin/env bash
# Prints what the last full build spent where, slowest first, and fails where a file is over the budget.
#   bash tests/bench/compile_time.sh [build folder] [seconds per file]
# Measure on an idle machine after `cmake --build <folder> --clean-first`, ccache off (CCACHE_DISABLE=1).
set -euo pipefail
build=${1:-build/release}
budget=${2:-6}
log=$build/.ninja_log
[ -f "$log" ] || { echo "compile_time.sh: $log: no such file; build with Ninja first" >&2; exit 3; }

# Columns: start ms, end ms, mtime, output, hash. The last line of an output counts.
awk -F '\t' -v budget="$budget" '
  /^#/ { next }
  { took[$4] = ($2 - $1) / 1000 }
  END {
    for (output in took) {
      if (output !~ /\.(o|gch|a)$/ && output !~ /^bin\//) continue
      total += took[output]
      header = output ~ /\.gch$/
      late = output ~ /\.o$/ && took[output] > budget
      over += late
      if (took[output] >= 1) printf "%7.1f s  %s%s\n", took[output], output, header ? "  (precompiled header)" : late ? "  OVER" : "" | "sort -rn"
    }
    close("sort -rn")
    printf "%7.1f s  in all; %d files over the budget of %s s\n", total, over, budget
    exit over > 0
  }' "$log"
