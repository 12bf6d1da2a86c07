#!/bin/sh
# Plays a release pipeline that lets a model pass only when quantization loses little: exit code and message of every way
# it can end. Usage: release_gate.sh QTOOL SOURCE_DIR
set -u
qtool=$1
sample=$2/data/sample
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failures=0

# The step of the pipeline: images, labels, allowed drop.
gate() {
  "$qtool" compare "$sample/classifier.onnx" --calib "$sample/calib/classifier" --preprocess "$sample/classifier.preprocess.json" \
    --images "$1" --labels "$2" --recipes vanilla,cle,cle+bc,recommended,"$work/my.json" --resamples 50 --max-drop "$3" \
    --html "$work/report.html" --json --quiet >"$work/out" 2>"$work/err"
}

# expect NAME CODE TEXT: what the last step must have ended with; TEXT stands in one of its streams.
expect() {
  if [ "$code" -ne "$2" ] || ! grep -qF -- "$3" "$work/out" "$work/err"; then
    echo "FAILED $1: exit code $code, expected $2 and '$3'"
    sed 's/^/    /' "$work/err"
    failures=$((failures + 1))
  else
    echo "ok     $1: exit code $2, $3"
  fi
}

# page NAME yes|no: whether the step left a page.
page() {
  found=no
  [ -s "$work/report.html" ] && found=yes
  if [ "$found" != "$2" ]; then
    echo "FAILED $1: page written: $found"
    failures=$((failures + 1))
  fi
  rm -f "$work/report.html"
}

"$qtool" recipe show recommended >"$work/my.json" || exit 99
images=$sample/eval/classifier/images
labels=$sample/eval/classifier/labels.txt

gate "$images" "$labels" 5; code=$?
expect pass 0 '"passed": true'; page pass yes

gate "$images" "$labels" -50; code=$?
expect fail 1 'gate failed: the best recipe, '; page fail yes

printf '001.jpg cat\n' >"$work/bad.txt"
gate "$images" "$work/bad.txt" 5; code=$?
expect 'bad labels' 3 "'cat' is not a class number"; page 'bad labels' no

mkdir "$work/empty"
gate "$work/empty" "$labels" 5; code=$?
expect 'empty image folder' 3 'the folder is empty'; page 'empty image folder' no

printf 'nowhere.jpg 1\n' >"$work/others.txt"
gate "$images" "$work/others.txt" 5; code=$?
expect 'labels of other images' 3 'nowhere.jpg'; page 'labels of other images' no

printf '{"schema": 1, "options": {"bias_bitwith": 32}}' >"$work/my.json"
gate "$images" "$labels" 5; code=$?
expect 'bad recipe' 3 "did you mean 'bias_bitwidth'?"; page 'bad recipe' no

exit $((failures > 0))
