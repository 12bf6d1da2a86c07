#!/usr/bin/env bash
# Installs what is missing, builds everything, runs the tests.
#   tools/test.sh                 release build
#   tools/test.sh --asan          with the address and undefined-behaviour sanitizers, in build/asan
#   tools/test.sh -R REGEX        only tests whose name matches
#   tools/test.sh --no-install    never calls the package manager
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
install=yes
filter=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --asan) preset=asan ;;
    --no-install) install=no ;;
    -R) [[ $# -ge 2 ]] || { echo "test.sh: -R needs a regular expression" >&2; exit 2; }
        filter=(-R "$2"); shift ;;
    *) echo "usage: tools/test.sh [--asan] [--no-install] [-R REGEX]" >&2; exit 2 ;;
  esac
  shift
done

[[ $install == no ]] || tools/install-deps.sh --tests

mkdir -p "build/$preset"
log=build/$preset/test-script.log
step() {  # runs quietly; shows the log only when the command fails
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
jobs=$(nproc)
step cmake --preset "$preset"
echo "building in build/$preset with $jobs jobs"
step cmake --build --preset "$preset" -j "$jobs"

status=0
ctest --preset "$preset" -j "$jobs" --no-tests=error "${filter[@]}" >"$log" 2>&1 || status=$?
if [[ $status -ne 0 ]]; then
  grep -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec$' "$log" || true
else
  sed -n '/ tests passed, /,/^Total Test time/p' "$log"
fi
exit $status
