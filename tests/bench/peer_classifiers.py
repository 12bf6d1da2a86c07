#!/usr/bin/env python3
"""ONNX Runtime's own static quantization of the classifiers, on the images and by the protocol of method_accuracy.py.

    python3 tests/bench/peer_classifiers.py --data ../shared/data --reference ../shared/tools/reference [--models a,b]
        [--methods MinMax,Percentile] [--qtool build/release/qtool]

Per-channel symmetric int8 weights, per-tensor uint8 activations, 128 calibration images (files 0, 2, ... 254 of the labels),
evaluated on all labelled images (CIFAR: the first 500) by `qtool evaluate QDQ --reference MODEL`: top-1, agreement and SQNR of
both tools then come from one program. Needs: numpy, onnx, onnxruntime, pillow; Percentile takes up to 10 GB.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from real_models import recipe

CLASSIFIERS = "mobilenet_v2,mobilenet_v1_075_bn,efficientnet_lite0,squeezenet1_1,resnet20_cifar10_bn,resnet56_cifar10"
MOST_COMPARED = 500


class Images(CalibrationDataReader):
    def __init__(self, name, arrays):
        self.rows = iter({name: a} for a in arrays)

    def get_next(self):
        return next(self.rows, None)


def ask(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else sys.exit(done.stderr)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", type=pathlib.Path, required=True)
    args.add_argument("--reference", type=pathlib.Path, required=True)
    args.add_argument("--models", default=CLASSIFIERS)
    args.add_argument("--methods", default="MinMax,Percentile")
    o = args.parse_args()
    sys.path.insert(0, str(o.reference))
    from eval_imagenet import prep

    data = o.data.resolve()
    settings = json.loads((data / "models/models.json").read_text())
    print("| model | method | top-1 | agreement % | SQNR dB |\n|---|---|---|---|---|")
    for name in o.models.split(","):
        folder, sidecar, _, evaluate = recipe(name, settings)
        evaluate = [str(data / a) if a.startswith(("imagenet/", "cifar10/")) else a for a in evaluate]
        model = data / "models" / f"{name}.onnx"
        labels = (data / settings[name]["dataset"] / "labels.txt").read_text().splitlines()
        images = [data / settings[name]["dataset"] / "images" / line.split()[0] for line in labels[0:256:2]]
        arrays = [prep(str(i), settings[name]) for i in images]
        with tempfile.TemporaryDirectory() as tmp:
            pathlib.Path(f"{tmp}/pre.json").write_text(json.dumps(sidecar))
            quant_pre_process(str(model), f"{tmp}/prepared.onnx", skip_symbolic_shape=True)
            entry = onnx.load(f"{tmp}/prepared.onnx").graph.input[0].name
            for method in o.methods.split(","):
                quantize_static(f"{tmp}/prepared.onnx", f"{tmp}/{method}.onnx", Images(entry, arrays), quant_format=QuantFormat.QDQ, per_channel=True,
                                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod[method],
                                extra_options={"CalibPercentile": 99.99})
                common = ["--preprocess", f"{tmp}/pre.json", "--json", "-q"]
                metric = ask([o.qtool, "evaluate", f"{tmp}/{method}.onnx", *evaluate, *common])
                compared = ask([o.qtool, "evaluate", f"{tmp}/{method}.onnx", "--reference", model, "--images", evaluate[1], "--limit", str(MOST_COMPARED), *common])
                row = next(iter(compared["outputs"].values()))
                print(f"| {name} | {method} | {metric['metrics']['top1']:.2f} | {row['top1_agreement']:.1f} | {row['sqnr_db']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
