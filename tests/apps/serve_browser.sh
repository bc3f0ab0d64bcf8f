#!/usr/bin/env bash
# Opens the page of `limn serve` in a headless Chromium: its first sight, a search, the same address again (as after a
# reload), more like the first result, a search with unwanted words, and the tab that paints. Screenshots go to FOLDER,
# for eyes.
#
#   bash tests/apps/serve_browser.sh PROGRAM INDEX "WORDS" FOLDER     e.g. build/release/bin/limn photos.idx "a dog" shots
set -euo pipefail
limn=$(realpath "$1") index=$2 words=$3 folder=$4
browser=${BROWSER:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
profile=$(mktemp -d)
mkdir -p "$folder"
"$limn" serve "$index" --port 0 -q >"$folder/address" & server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$profile"' EXIT
for _ in $(seq 100); do [ -s "$folder/address" ] && break; sleep 0.1; done
address=$(cat "$folder/address")
[ -n "$address" ] || { echo "FAIL  the server did not start"; exit 1; }
asked=$(printf %s "$words" | sed 's/ /+/g')
look() {   # name, query -> the page's elements on standard output, and a screenshot
  local run=(timeout 60 "$browser" --headless --no-sandbox --disable-gpu "--user-data-dir=$profile" --window-size=1200,900 --virtual-time-budget=15000)
  "${run[@]}" "--screenshot=$folder/$1.png" "$address$2" >/dev/null 2>&1
  "${run[@]}" --dump-dom "$address$2" 2>/dev/null
}
ids() { grep -o 'figure data-id="[0-9]*"' | grep -o '[0-9]*' || true; }
check() { if [ "$2" = "$3" ]; then echo "ok    $1"; else echo "FAIL  $1: got $2, expected $3"; exit 1; fi; }

check "first sight: no results yet" "$(look first '' | ids | wc -l)" 0
found=$(look search "?q=$asked&k=60" | ids)
[ -n "$found" ] || { echo "FAIL  the search found nothing"; exit 1; }
first=$(head -n 1 <<<"$found")
echo "ok    search: $(wc -l <<<"$found") pictures, first $first"
check "the same address again: the same pictures" "$(look again "?q=$asked&k=60" | ids | md5sum)" "$(md5sum <<<"$found")"
like=$(look like "?like=$first&k=60" | ids)
check "more like it: itself is not among them" "$(grep -cx "$first" <<<"$like" || true)" 0
echo "ok    more like it: $(wc -l <<<"$like") pictures, first $(head -n 1 <<<"$like")"
other=$(look without "?q=$asked&not=people&k=60" | ids)
[ "$other" != "$found" ] && [ -n "$other" ] || { echo "FAIL  unwanted words change nothing"; exit 1; }
echo "ok    unwanted words: another order, first $(head -n 1 <<<"$other")"
check "the tab that paints is in sight, results are not" \
  "$(look stylize '#stylize' | grep -cE '<section id="paint">|<main id="results" hidden' || true)" 2
echo PASS
