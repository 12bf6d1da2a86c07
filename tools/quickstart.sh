#!/usr/bin/env bash
# Installs what is missing, builds build/release/qtool, quantizes the two sample models and prints their accuracy
# before and after. Results stay in build/quickstart.
#   tools/quickstart.sh [--no-install]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install=yes
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    *) echo "usage: tools/quickstart.sh [--no-install]" >&2; exit 2 ;;
  esac
done
[[ $install == no ]] || tools/install-deps.sh

mkdir -p build/release
log=build/release/quickstart.log
step() {  # runs quietly; shows the log only when the command fails
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
step cmake --preset release
[[ -x build/release/qtool ]] || echo "building qtool in build/release (some minutes the first time)"
step cmake --build --preset release --target qtool -j "$(nproc)"

qtool=build/release/qtool
sample=data/sample
out=build/quickstart
labels() { [[ $1 == classifier ]] && echo labels.txt || echo instances.json; }

show() {  # a command as one would type it
  local word line=
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./=-]+$ ]] || word="'$word'"
    line+=" $word"
  done
  echo "${line# }"
}

# quantize NAME MODEL [options]: one run of the main job, into $out/NAME/MODEL
quantize() {
  local name=$1 model=$2
  shift 2
  local command=("$qtool" quantize "$sample/$model.onnx" --calib "$sample/calib/$model"
                 --preprocess "$sample/$model.preprocess.json" "$@" -o "$out/$name/$model")
  show "${command[@]}"
  step "${command[@]}"
}

# accuracy MODEL METRIC [options]: percent on the labelled images
accuracy() {
  local model=$1
  shift
  "$qtool" evaluate "$sample/$model.onnx" --images "$sample/eval/$model/images" \
    --labels "$sample/eval/$model/$(labels "$model")" --preprocess "$sample/$model.preprocess.json" \
    --quiet --json "$@" 2>"$log" || { cat "$log" >&2; exit 1; }
}
metric() { sed -n "s/^ *\"$1\": \([-0-9.e]*\),\{0,1\}$/\1/p"; }

row() {  # row NAME [folder of the classifier, folder of the detector]: measures both and prints one line
  local name=$1 classifier detector
  if [[ $# -eq 1 ]]; then
    classifier=$(accuracy classifier)
    detector=$(accuracy detector)
  else
    classifier=$(accuracy classifier --encodings "$out/$2/classifier/classifier.encodings.json")
    detector=$(accuracy detector --encodings "$out/$3/detector/detector.encodings.json")
  fi
  LC_ALL=C printf '%-56s %6.1f %9.1f %9.1f\n' "$name" "$(metric top1 <<<"$classifier")" \
    "$(metric mAP50 <<<"$detector")" "$(metric mAP <<<"$detector")"
}

recommended=(--profile htp --bias_bitwidth 32)
for model in classifier detector; do
  quantize vanilla "$model"
  quantize recommended "$model" "${recommended[@]}"
  quantize act16 "$model" "${recommended[@]}" --act_bitwidth 16
done
quantize selective detector "${recommended[@]}" --optimizations selective

cat <<'EOT'

accuracy on 200 labelled images each, in percent     classifier   detector
                                                          top-1     mAP50  mAP50-95
EOT
row "FP32"
row "vanilla (--profile dsp)" vanilla vanilla
row "recommended (${recommended[*]})" recommended recommended
row "recommended, detector: --optimizations selective" recommended selective
row "recommended with --act_bitwidth 16" act16 act16
cat <<EOT

The detector joins boxes (up to 558 pixels) and scores (up to 1) in one output. One 8-bit scale for both has steps of
2.2, so every score becomes 0; qtool warns about it. selective finds the few tensors that need 16 bits.
The files are in $out: encodings JSON, DLC and report.json of every run.
EOT
