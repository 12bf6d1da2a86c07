#!/bin/sh
# Cross-compiles the modules without third-party libraries for aarch64 and runs their tests in an emulator, to show that
# nothing in them depends on x86-64. A whole build needs the libraries for arm64 and is not tried here.
#
#     tools/check-aarch64.sh [modules]          # default: tensor quant; `tensor quant ir ops` takes some minutes more
#
# Needs the packages g++-aarch64-linux-gnu, qemu-user, libgtest-dev, libgmock-dev and libfmt-dev. Exit code 77: not there.
set -eu
cd "$(dirname "$0")/.."
modules=${*:-tensor quant}
compiler=aarch64-linux-gnu-g++
googletest=/usr/src/googletest
for tool in $compiler qemu-aarch64; do
  command -v $tool > /dev/null || { echo "$tool is not installed"; exit 77; }
done
[ -d $googletest ] || { echo "no sources of GoogleTest in $googletest"; exit 77; }

out=build/aarch64
mkdir -p $out
# Headers of the host come last: the C library's own are those of the cross compiler.
flags="-std=c++20 -O1 -DFMT_HEADER_ONLY -DQTOOL_SOURCE_DIR=\"$PWD\" -ffp-contract=off -Iinclude -Itests -idirafter /usr/include"

compile() {  # source, extra flags
  object=$out/$(echo "$1" | tr / _).o
  [ "$object" -nt "$1" ] || $compiler $flags $2 -c "$1" -o "$object"
  objects="$objects $object"
}

objects=""
for name in googletest googlemock; do
  compile $googletest/$name/src/$(echo $name | sed 's/google/g/')-all.cc "-I$googletest/googletest -I$googletest/googlemock"
done
compile $googletest/googlemock/src/gmock_main.cc ""
for source in src/support/error.cpp src/support/nearest_name.cpp src/support/parallel.cpp; do compile $source ""; done
compile src/exec/simd/float_kernels_generic.cpp "-Isrc/exec"
for module in $modules; do
  for source in $(find src/$module -name '*.cpp'); do compile "$source" "-Isrc/$module"; done
  [ ! -d tests/unit/$module ] || for source in tests/unit/$module/*.cpp; do compile "$source" "-Isrc/$module"; done
done
$compiler $objects -o $out/tests -static -pthread
qemu-aarch64 $out/tests
