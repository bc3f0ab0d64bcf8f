#!/usr/bin/env bash
# Kills `limn index` (SIGKILL) ten times while it encodes, each time in a fresh index: waits until the index has grown
# beyond its head, then a random part of the time that encoding takes. Each index must open and answer, and one more
# run must complete it, encoding exactly what was not stored.
#
#   bash tests/apps/kill_index.sh PROGRAM MODEL PICTURES     e.g. build/release/bin/limn limn-small photos/
set -euo pipefail
limn=$(realpath "$1") model=$2 pictures=$(realpath "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
index=$folder/x.idx
command=("$limn" index "$pictures" -o "$index" --model "$model" --batch 1 --json)
field() { tail -n 1 | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
now() { echo $(($(date +%s%N) / 1000000)); }
size() { stat -c %s "$index" 2>/dev/null || echo 0; }

# Starts the command and waits until its first pictures are stored; `child` is its process.
start() {
  rm -f "$index"
  "${command[@]}" >"$folder/out" 2>/dev/null & child=$!
  local head=0
  until [ "$head" -gt 0 ]; do head=$(size); kill -0 "$child" 2>/dev/null || return 0; done
  until [ "$(size)" -gt "$head" ]; do kill -0 "$child" 2>/dev/null || return 0; sleep 0.005; done
}

start; begin=$(now); wait "$child" || { echo "FAIL: without a kill it ends with $?"; exit 1; }
span=$(($(now) - begin)) total=$(field pictures <"$folder/out")
[ "$span" -ge 1000 ] || { echo "encoding ends within a second; give more pictures"; exit 2; }
echo "$total pictures; encoding goes on for $span ms after the first record"

amid=0
for i in $(seq 10); do
  start
  delay=$(((RANDOM * 32768 + RANDOM) % span))
  sleep "$((delay / 1000)).$(printf '%03d' $((delay % 1000)))"
  kill -KILL "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
  stored=$("$limn" search "$index" anything -k 1000000 -0 2>"$folder/note" | tr -cd '\0' | wc -c)
  cut=$(grep -c 'cut off' "$folder/note" || true)
  "${command[@]}" >"$folder/out" 2>/dev/null || { echo "FAIL: kill $i: the next run ends with $?"; exit 1; }
  unchanged=$(field unchanged <"$folder/out") encoded=$(field encoded <"$folder/out") all=$(field pictures <"$folder/out")
  echo "kill $i, $delay ms after the first record: opens with $stored pictures$([ "$cut" = 0 ] || echo ', the last record cut off');" \
    "next run: $unchanged stored, $encoded encoded, $all in all"
  [ "$all" = "$total" ] && [ "$unchanged" = "$stored" ] && [ "$encoded" = $((total - stored)) ] || { echo FAIL; exit 1; }
  [ "$stored" = "$total" ] || amid=$((amid + 1))
done
echo "PASS; $amid of 10 kills came amid encoding"
