#!/usr/bin/env bash
# Kills `limn index` (SIGKILL) at ten random moments. Each time the index must open and answer, with all that it had
# before, and at the end a last run must complete it without encoding again what was stored.
#
#   bash tests/apps/kill_index.sh PROGRAM MODEL PICTURES     e.g. build/release/bin/limn org/name photos/
set -euo pipefail
limn=$(realpath "$1") model=$2 pictures=$(realpath "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
index=$folder/x.idx
command=("$limn" index "$pictures" -o "$index" --model "$model" --batch 2 --json)
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
count_stored() { "$limn" search "$index" anything -k 1000000 -0 2>/dev/null | tr -cd '\0' | wc -c; }

start=$(date +%s%N)
total=$("${command[@]}" 2>/dev/null | tail -n 1 | field pictures)
whole=$(( ($(date +%s%N) - start) / 1000000 ))
rm "$index"
echo "$total pictures, $whole ms without a kill"

stored=0
for i in $(seq 10); do
  delay=$(( (RANDOM * 32768 + RANDOM) % whole ))
  "${command[@]}" >/dev/null 2>&1 & child=$!
  sleep "$((delay / 1000)).$(printf '%03d' $((delay % 1000)))"
  kill -KILL "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
  [ -e "$index" ] || { echo "kill $i after $delay ms: no index yet"; continue; }
  before=$stored stored=$(count_stored)
  echo "kill $i after $delay ms: opens, $stored pictures"
  [ "$stored" -ge "$before" ] || { echo "FAIL: there were $before"; exit 1; }
done
last=$("${command[@]}" 2>/dev/null | tail -n 1)
unchanged=$(field unchanged <<<"$last") encoded=$(field encoded <<<"$last") all=$(field pictures <<<"$last")
echo "last run: $unchanged were stored, $encoded encoded, $all pictures"
[ "$all" = "$total" ] && [ "$unchanged" = "$stored" ] || { echo FAIL; exit 1; }
echo PASS
