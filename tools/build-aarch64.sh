#!/usr/bin/env bash
# Builds qtool and its tests for aarch64 on a Debian machine of another architecture and runs the tests under qemu-user.
#   tools/build-aarch64.sh                  everything: build/aarch64/qtool, then ctest
#   tools/build-aarch64.sh -R REGEX         only tests whose name matches
#   tools/build-aarch64.sh --no-test        only build/aarch64/qtool
#   tools/build-aarch64.sh --no-install     never installs compiler and emulator
#   tools/build-aarch64.sh -j N             jobs, all processors by default
#
# The libraries for arm64 are packages of the machine's own Debian release, fetched with an apt state of their own and
# unpacked in build/aarch64-sysroot: nothing of them is installed, and the machine's list of architectures stays as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

test=yes
install=yes
filter=()
jobs=$(nproc)
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-test) test=no ;;
    --no-install) install=no ;;
    -R) [[ $# -ge 2 ]] || { echo "build-aarch64: -R needs a regular expression" >&2; exit 2; }
        filter=(-R "$2"); shift ;;
    -j) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "build-aarch64: -j needs a number" >&2; exit 2; }
        jobs=$2; shift ;;
    *) echo "usage: tools/build-aarch64.sh [--no-test] [--no-install] [-R REGEX] [-j N]" >&2; exit 2 ;;
  esac
  shift
done

fail() { echo "build-aarch64: $*" >&2; exit 1; }
[[ $install == no ]] || tools/install-deps.sh --tests --aarch64
for program in aarch64-linux-gnu-g++ qemu-aarch64 cmake ninja pkg-config dpkg-deb; do
  command -v "$program" >/dev/null || fail "$program is missing; run tools/install-deps.sh --tests --aarch64"
done

sysroot=$PWD/build/aarch64-sysroot
apt=$PWD/build/aarch64-apt
keys=/usr/share/keyrings/debian-archive-keyring.gpg
log=build/aarch64.log
step() {  # runs quietly; shows the log only when the command fails
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

# The release that this machine itself is installed from, one line a part of it.
sources() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    sort -u | sed "s|^|deb [arch=arm64 signed-by=$keys] |"
}

# An apt that knows only arm64, that nothing is installed, and no folder of the machine's apt but the certificates.
make_apt() {
  rm -rf "$apt"
  mkdir -p "$apt"/{lists/partial,archives/partial}
  touch "$apt/status"
  sources >"$apt/sources.list"
  [[ -s $apt/sources.list ]] || fail "apt knows no Debian release here; run apt-get update as root (other distributions: unpack the arm64
libraries that tools/install-deps.sh --libraries prints in $sysroot yourself and touch $sysroot/.packages)"
  cat >"$apt/apt.conf" <<EOT
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
EOT
}

unpack() {
  local package link target
  rm -rf "$sysroot"
  mkdir -p "$sysroot"/usr/{bin,sbin,lib}
  ln -s usr/bin usr/sbin usr/lib "$sysroot"  # as base-files does on a merged /usr
  for package in "$apt"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$sysroot" || return
  done
  # Links to absolute paths would lead back into this machine.
  while IFS= read -r -d '' link; do
    target=$(readlink "$link")
    ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$sysroot$target")" "$link"
  done < <(find "$sysroot" -type l -lname '/*' -print0)
}

make_sysroot() {
  local packages
  mapfile -t packages < <(tools/install-deps.sh --libraries; echo libonnx-testdata)
  if [[ -f $sysroot/.packages ]]; then  # empty: made by hand
    [[ -s $sysroot/.packages && "$(<"$sysroot/.packages")" != "${packages[*]}" ]] || return 0
  fi
  echo "fetching the arm64 libraries"
  make_apt
  step apt-get -c "$apt/apt.conf" -qq update
  step apt-get -c "$apt/apt.conf" -qq -y --download-only install "${packages[@]}"
  step unpack
  echo "${packages[*]}" >"$sysroot/.packages"
  rm -rf "$apt"
}

mkdir -p build
make_sysroot
step cmake --preset aarch64
targets=(--target qtool)
[[ $test == no ]] || targets=()
echo "building in build/aarch64 with $jobs jobs (some minutes the first time)"
step cmake --build --preset aarch64 "${targets[@]}" -j "$jobs"
[[ $test == yes ]] || exit 0

status=0
ctest --preset aarch64 -j "$jobs" --no-tests=error "${filter[@]}" >"$log" 2>&1 || status=$?
if [[ $status -ne 0 ]]; then
  grep -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec$' "$log" || true
else
  sed -n '/ tests passed, /,/^Total Test time/p' "$log"
fi
exit $status
