#!/usr/bin/env bash
# The first command: makes the machine ready, builds Limn, and describes photos.
#   bash scripts/demo.sh [--yes] [--torch-index URL] [photo or folder …]      (no photo: the bundled ones)
# Captions are printed, and drawn under the photos into build/captions.png.
set -euo pipefail
cd "$(dirname "$0")/.."
from=$OLDPWD

options=() photos=()
while [ $# -gt 0 ]; do
  case $1 in
    --yes) options+=("$1") ;;
    --torch-index) options+=("$1" "${2:?--torch-index: got nothing, expected a URL}"); shift ;;
    -h|--help) sed -n '2,4s/^# //p' scripts/demo.sh; exit 0 ;;
    -*) echo "demo.sh: unknown option: $1" >&2; exit 2 ;;
    /*) photos+=("$1") ;;
    *) photos+=("$from/$1") ;;
  esac
  shift
done
[ ${#photos[@]} -gt 0 ] || photos=(photos)

bash scripts/build.sh "${options[@]}" -- limn
build/release/bin/limn caption "${photos[@]}" --sheet build/captions.png --existing overwrite
echo "contact sheet: $PWD/build/captions.png" >&2
