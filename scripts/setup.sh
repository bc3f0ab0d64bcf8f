#!/usr/bin/env bash
# Makes a machine ready to build Limn: packages by apt where they are missing, and LibTorch.
# Notes go to standard error; the one line on standard output is LibTorch's folder, for CMAKE_PREFIX_PATH.
# A second call finds everything and changes nothing.
#
#   bash scripts/setup.sh [--yes] [--torch-index URL]
#     --yes              do not ask before a large download (also: CI set, or no terminal)
#     --torch-index URL  package index that pip takes LibTorch from (default: what pip is configured to use)
set -euo pipefail
cd "$(dirname "$0")/.."

torch_version=2.13.0   # tested; any LibTorch from 2.6 on that is already there is used instead
yes=${CI:+1}
[ -t 0 ] || yes=1
index=()
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=1 ;;
    --torch-index) index=(--index-url "${2:?--torch-index: got nothing, expected a URL}"); shift ;;
    *) echo "setup.sh: unknown option: $1" >&2; exit 2 ;;
  esac
  shift
done

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

confirm() {   # what will be loaded
  [ -n "$yes" ] && { say "$1"; return; }
  read -r -p "setup: $1; go on? [Y/n] " answer
  case $answer in ''|y|Y|yes) ;; *) fail "stopped; set CMAKE_PREFIX_PATH to a LibTorch folder to use another one" ;; esac
}

# --- packages ---------------------------------------------------------------------------------------------------

packages=(g++ cmake ninja-build pkg-config zlib1g-dev libjpeg-dev libpng-dev libtiff-dev libwebp-dev libfreetype-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libopencv-video-dev libopencv-videoio-dev
  libsentencepiece-dev libicu-dev libtbb-dev libfaiss-dev
  libarchive-dev libpq-dev libcpp-httplib-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev catch2 mold fonts-dejavu-core fonts-wqy-microhei)

missing_packages() {   # names -> those that are not installed, on one line
  local name state
  state=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do case $'\n'$state$'\n' in *$'\n'"$name installed"$'\n'*) ;; *) printf '%s ' "$name" ;; esac; done
}

apt_install() {
  local missing root=()
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing packages, and neither root nor sudo to install them: apt-get install" $missing
    root=(sudo)
  fi
  say "installing packages by apt:" $missing
  local run=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0)
  "${run[@]}" update >&2
  "${run[@]}" install --no-install-recommends $missing >&2
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  apt_install "${packages[@]}"
else
  say "no apt here. Limn needs: a C++20 compiler, CMake >= 3.22, Ninja, pkg-config, zlib, libjpeg, libpng, libtiff, libwebp, FreeType,"
  say "OpenCV >= 4.6 (core, imgproc, imgcodecs), SentencePiece, ICU, oneTBB, FAISS, libarchive, libpq, cpp-httplib, nlohmann-json, CLI11, toml++, Catch2. CMake will name what is missing."
fi

# --- LibTorch ---------------------------------------------------------------------------------------------------

version_of() {   # folder of a LibTorch -> its version, or nothing
  local header
  for header in "$1"/include/torch/headeronly/version.h "$1"/include/torch/csrc/api/include/torch/version.h; do
    [ -f "$header" ] || continue
    awk '/define TORCH_VERSION_(MAJOR|MINOR|PATCH) / { n[++i] = $3 } END { if (i == 3) print n[1] "." n[2] "." n[3] }' "$header"
    return
  done
}

usable() {   # folder -> prints it and succeeds where it holds LibTorch >= 2.6
  local folder version
  for folder in "$1" "$1/torch" "$1/../.."; do
    [ -f "$folder/include/ATen/core/Tensor.h" ] || continue
    version=$(version_of "$folder")
    if [ -n "$version" ] && [ "$(printf '%s\n2.6\n' "$version" | sort -V | head -n 1)" = 2.6 ]; then
      say "LibTorch $version: $(cd "$folder" && pwd)"
      (cd "$folder" && pwd)
      return 0
    fi
    say "LibTorch ${version:-of unknown version} in $folder is older than 2.6, not used"
  done
  return 1
}

python_torch() { "$1" -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null; }

IFS=: read -r -a prefixes <<< "${CMAKE_PREFIX_PATH:-}"
for prefix in "${prefixes[@]}"; do [ -n "$prefix" ] && usable "$prefix" && exit 0; done
torch=$(python_torch python3 || true)
[ -n "$torch" ] && usable "$torch" && exit 0
if [ -f /usr/include/ATen/core/Tensor.h ] && usable /usr; then
  # A distribution's LibTorch multiplies through the system's BLAS; the reference one is twenty times slower.
  ! command -v apt-get >/dev/null || apt_install libopenblas0-pthread
  exit 0
fi
torch=$(python_torch .venv/bin/python || true)
[ -n "$torch" ] && usable "$torch" && exit 0

if command -v apt-get >/dev/null; then apt_install python3-venv; fi
command -v python3 >/dev/null || fail "no LibTorch and no python3 to fetch one: install LibTorch >= 2.6 and set CMAKE_PREFIX_PATH to its folder"
[ -x .venv/bin/pip ] || python3 -m venv .venv || fail "python3 -m venv failed: install LibTorch >= 2.6 and set CMAKE_PREFIX_PATH to its folder"
pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input)
plan=$("${pip[@]}" install --dry-run --quiet --report - "${index[@]}" "torch==$torch_version" 2>/dev/null || true)
case $plan in
  *'"name": "nvidia'*) size="a CUDA build, about 3 GB to load and 5.5 GB on disk; --torch-index names an index with CPU builds" ;;
  *) size="about 0.2 GB to load and 1 GB on disk" ;;
esac
confirm "fetching LibTorch: pip install torch==$torch_version into .venv ($size)"
"${pip[@]}" install --quiet "${index[@]}" "torch==$torch_version" >&2 ||
  fail "pip could not install torch==$torch_version: name an index with --torch-index URL, or set CMAKE_PREFIX_PATH to a LibTorch >= 2.6"
usable "$(python_torch .venv/bin/python)" || fail "torch was installed into .venv, but no LibTorch >= 2.6 lies there"
