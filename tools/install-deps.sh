#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that qtool is built from. Calls apt-get only when something is missing.
#   tools/install-deps.sh            what the tool and its tests are built from
#   tools/install-deps.sh --tests    also the ONNX operator test cases
#   tools/install-deps.sh --aarch64  also the cross compiler and emulator of tools/build-aarch64.sh
#   tools/install-deps.sh --libraries  installs nothing: prints the libraries, which a cross build needs for its target
set -euo pipefail

programs=(g++ cmake ninja-build pkg-config protobuf-compiler)
libraries=(
  libonnx-dev libprotobuf-dev                     # ONNX import
  libdnnl-dev libeigen3-dev                       # kernels
  libjpeg-dev libpng-dev libzip-dev zlib1g-dev    # images, npz, DLC container
  libflatbuffers-dev nlohmann-json3-dev libssl-dev libpugixml-dev
  libcli11-dev libspdlog-dev libfmt-dev
  libjs-chart.js                                  # charts of the HTML report; a build without it works
  libgtest-dev libgmock-dev
)
optional=(ccache)
packages=("${programs[@]}" "${libraries[@]}")

for argument in "$@"; do
  case $argument in
    --tests) packages+=(libonnx-testdata) ;;
    --aarch64) packages+=(g++-aarch64-linux-gnu qemu-user) ;;
    --libraries) printf '%s\n' "${libraries[@]}"; exit 0 ;;
    *) echo "usage: tools/install-deps.sh [--tests] [--aarch64] [--libraries]" >&2; exit 2 ;;
  esac
done

fail() { echo "install-deps: $*" >&2; exit 1; }

command -v dpkg-query >/dev/null || fail "this is not Debian or Ubuntu; install these libraries yourself: ${packages[*]}"

# Prints those of its arguments that are not installed, with one call of dpkg-query.
missing_of() {
  local installed name
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
  for name in "$@"; do
    grep -qxF "$name" <<<"$installed" || echo "$name"
  done
}

as_root=()
become_root() {
  [[ $(id -u) -eq 0 ]] && return
  command -v sudo >/dev/null || fail "missing packages: $* -- run this script as root, or install sudo"
  if [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; then
    fail "missing packages: $* -- sudo asks for a password and there is no terminal; run this script as root"
  fi
  as_root=(sudo)
}

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y "$@" </dev/null; }

mapfile -t missing < <(missing_of "${packages[@]}")
if [[ ${#missing[@]} -gt 0 ]]; then
  become_root "${missing[@]}"
  echo "installing ${#missing[@]} packages: ${missing[*]}"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  apt update >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
  apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get install failed"; }
  mapfile -t extra < <(missing_of "${optional[@]}")
  if [[ ${#extra[@]} -gt 0 ]]; then
    apt install --no-install-recommends "${extra[@]}" >"$log" 2>&1 || echo "note: ${extra[*]} not available; continuing without"
  fi
fi

compiler=${CXX:-g++}
version=$("$compiler" -dumpversion) || fail "$compiler does not run"
if [[ $("$compiler" --version) != *clang* && ${version%%.*} -lt 12 ]]; then
  fail "$compiler is version $version; C++20 needs g++ 12 or newer (for example: apt-get install g++-12, then CXX=g++-12)"
fi
cmake_version=$(cmake --version | sed -n '1s/cmake version //p')
if [[ $(printf '%s\n' 3.25 "$cmake_version" | sort -V | head -n1) != 3.25 ]]; then
  fail "cmake is version $cmake_version; 3.25 or newer is needed (Debian 12, Ubuntu 24.04)"
fi
