#!/usr/bin/env python3
"""Rounding methods at model level: one row a model, method and seed, as Markdown.

    python3 tests/bench/rounding.py --qtool build/release/qtool --data ../shared/data \
        --models resnet20_cifar10_bn,mobilenet_v2 --methods nearest,descent --weights 4 --seeds 0,1,2

Calibration: every second file of labels.txt from the first on, 128 images (--images); evaluation on all labelled images
with qtool's integer simulation. SQNR and agreement compare the simulated outputs with the original float model's.
Methods: min-max (no optimization), nearest (with bias correction), descent, classic. `--extra` is handed to quantize.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

from real_models import recipe


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout), done.stderr


def calibration_list(data, name, settings, images, folder):
    images_folder, sidecar, extra, evaluate = recipe(name, settings)
    if settings[name]["dataset"] == "coco":
        files = sorted((data / "coco/calib").iterdir())[:images]
    else:
        base = data / settings[name]["dataset"]
        lines = (base / "labels.txt").read_text().split("\n")
        files = [base / "images" / line.split()[0] for line in lines[0:2 * images:2] if line.strip()]
    path = folder / f"{name}.txt"
    path.write_text("\n".join(str(f) for f in files) + "\n")
    return path, sidecar, extra, evaluate, images_folder


def quantize(args, model, calib, sidecar, extra, method, seed, folder):
    command = [args.qtool, "quantize", model, "--calib", calib, "--preprocess", sidecar, *extra, "--json", "-q", "-o", folder / "out",
               "--weights_bitwidth", str(args.weights), "--bias_bitwidth", "32", "--emit", "encodings", "--export-onnx", folder / "adapted.onnx",
               *(["--profile", "htp"] if args.granularity == "channel" else ["--use_symmetric_quantize_weights"]), "--threads", str(args.threads),
               *shlex.split(args.extra)]
    if method != "min-max":
        optimizations = f"{args.first},adaround" if args.first else "adaround"
        command += ["--optimizations", optimizations, "--adaround-method", method, "--seed", str(seed)]
    if method == "classic" and args.iterations:
        command += ["--adaround-iterations", str(args.iterations)]
    before = os.times()
    summary = run(command)[0]
    after = os.times()
    summary["cpu"] = after.children_user - before.children_user + after.children_system - before.children_system
    return summary


def evaluate(args, data, model, name, sidecar, labels, images_folder, folder):
    adapted = [args.qtool, "evaluate", folder / "adapted.onnx", "--encodings", next((folder / "out").glob("*.encodings.json")), "--preprocess", sidecar,
               "--json", "-q", "--threads", str(args.threads)]
    metric, _ = run(adapted + [data / a if a.startswith(("coco/", "imagenet/", "cifar10/")) else a for a in labels])
    compared, _ = run(adapted + ["--images", data / images_folder, "--reference", model] + (["--limit", str(args.compare)] if args.compare else []))
    first = next(iter(compared["outputs"].values()))
    value = next(metric["metrics"][k] for k in ("top1", "mAP", "mIoU") if k in metric["metrics"])
    return value, first.get("top1_agreement", float("nan")), first["sqnr_db"]


def stage_seconds(summary):
    return sum(row["seconds"] for row in summary["optimizations"] if row["stage"] == "adaround")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qtool", default="build/release/qtool")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--models", default="resnet20_cifar10_bn")
    parser.add_argument("--methods", default="min-max,nearest,descent")
    parser.add_argument("--weights", type=int, default=4)
    parser.add_argument("--granularity", choices=("channel", "tensor"), default="channel")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--compare", type=int, default=0, help="images of the SQNR, 0: all")
    parser.add_argument("--first", default="", help="stages before adaround, for example cle")
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--extra", default="--act_quantizer_calibration mse")
    args = parser.parse_args()
    args.data = args.data.resolve()  # lists of images are relative to where they lie
    settings = json.loads((args.data / "models/models.json").read_text())
    print("| model | method | seed | metric | agreement % | SQNR dB | adaround s | total s | CPU s | MB |\n|---|---|---|---|---|---|---|---|---|---|")
    for name in args.models.split(","):
        model = args.data / "models" / f"{name}.onnx"
        for method in args.methods.split(","):
            rows = []
            for seed in ([0] if method == "min-max" else map(int, args.seeds.split(","))):
                with tempfile.TemporaryDirectory() as temporary:
                    folder = pathlib.Path(temporary)
                    calib, sidecar, extra, labels, images_folder = calibration_list(args.data, name, settings, args.images, folder)
                    (folder / "preprocess.json").write_text(json.dumps(sidecar))
                    summary = quantize(args, model, calib, folder / "preprocess.json", extra, method, seed, folder)
                    row = evaluate(args, args.data, model, name, folder / "preprocess.json", labels, images_folder, folder)
                    rows.append(row)
                    seconds = summary["seconds"]
                    print(f"| {name} | {method} | {seed} | {row[0]:.2f} | {row[1]:.1f} | {row[2]:.2f} | {stage_seconds(summary):.2f} | "
                          f"{seconds['total']:.2f} | {summary['cpu']:.2f} | {summary['peak_memory_mb']:.0f} |", flush=True)
            if len(rows) > 1:
                print(f"| {name} | {method} | mean | " + " | ".join(f"{statistics.mean(r[i] for r in rows):.2f}" for i in range(3)) + " | | | | |", flush=True)


if __name__ == "__main__":
    main()
