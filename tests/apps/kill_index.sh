#!/usr/bin/env bash
# Kills `limn index` (SIGKILL) at ten random moments. Each time the index must open, and at the end a last run must
# complete it without encoding again what was stored.
#
#   bash tests/apps/kill_index.sh PROGRAM MODEL PICTURES     e.g. build/release/bin/limn org/name photos/
set -euo pipefail
limn=$(realpath "$1") model=$2 pictures=$(realpath "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
index=$folder/x.idx
run() { "$limn" index "$pictures" -o "$index" --model "$model" --batch 2 --json 2>>"$folder/notes"; }
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

start=$(date +%s%N)
total=$(run | field pictures)
whole=$(( ($(date +%s%N) - start) / 1000000 ))
rm "$index"
echo "$total pictures, $whole ms without a kill"

encoded=0
for i in $(seq 10); do
  delay=$(( (RANDOM * 32768 + RANDOM) % whole ))
  run >"$folder/out" & child=$!
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  pkill -KILL -P "$child" -x limn 2>/dev/null || true
  wait "$child" 2>/dev/null || true
  if [ -e "$index" ]; then
    stored=$("$limn" dedupe "$index" --threshold 1 2>&1 >/dev/null | grep -c groups || true)
    [ "$stored" = 1 ] || { echo "kill $i after $delay ms: the index does not open"; exit 1; }
    echo "kill $i after $delay ms: opens, $(stat -c %s "$index") bytes"
  else
    echo "kill $i after $delay ms: no index yet"
  fi
done
last=$(run | tail -n 1)
unchanged=$(field unchanged <<<"$last") encoded=$(field encoded <<<"$last") all=$(field pictures <<<"$last")
echo "last run: $unchanged were stored, $encoded encoded, $all pictures"
[ "$all" = "$total" ] && [ $((unchanged + encoded)) -le "$total" ] || { echo FAIL; exit 1; }
echo PASS
