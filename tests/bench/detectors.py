#!/usr/bin/env python3
"""Detectors as they come, with the head alone treated, and with the whole search: one row each, as Markdown.

    python3 tests/bench/detectors.py --qtool build/release/qtool --data ../shared/data [--models a,b] [--profiles dsp,htp]
        [--runs vanilla,head,selective,auto] [--budget 5m] [--images 128]

Calibration: coco/calib, no labels. mAP on all labelled images by `qtool evaluate` on the files written. Cost is relative to 8 bits everywhere.
Biases have 32 bits except in vanilla.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from real_models import recipe

DETECTORS = "yolov8n,yolo11n_320,yolov5n_bn,yolox_nano,ssdlite_mnv2_person_300"
RUNS = {
    "vanilla": [],
    "head": ["--optimizations", "head", "--bias_bitwidth", "32"],
    "selective": ["--optimizations", "selective,bc", "--bias_bitwidth", "32"],
    "auto": ["--optimizations", "auto", "--bias_bitwidth", "32"],
}


def ask(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else sys.exit(done.stderr)


# Cost and number of wide activations of what was kept in the end.
def cost_of(report):
    search, selective = report.get("search"), report.get("selective")
    if search:
        step = next(s for s in search["steps"] if s["step"] == search["best"])
    elif selective:
        step = [s for s in selective["steps"] if s.get("kept", True)][-1]
    else:
        return 1.0, 0
    return step["relative_cost"], step["wide_activations"]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", type=pathlib.Path, required=True)
    args.add_argument("--models", default=DETECTORS)
    args.add_argument("--profiles", default="dsp,htp")
    args.add_argument("--runs", default="vanilla,head,auto")
    args.add_argument("--budget", default="5m")
    args.add_argument("--images", type=int, default=128)
    args.add_argument("--threads", default="2")
    o = args.parse_args()
    data = o.data.resolve()
    settings = json.loads((data / "models/models.json").read_text())
    print("| model | profile | run | mAP | drop | mAP50 | wide | cost | s | MB |\n|---|---|---|---|---|---|---|---|---|---|")
    for name in o.models.split(","):
        model = data / "models" / f"{name}.onnx"
        folder, sidecar, extra, evaluate = recipe(name, settings)
        evaluate = [str(data / a) if a.startswith("coco/") else a for a in evaluate]
        with tempfile.TemporaryDirectory() as tmp:
            pathlib.Path(f"{tmp}/pre.json").write_text(json.dumps(sidecar))
            common = ["--preprocess", f"{tmp}/pre.json", "--threads", o.threads, "--json", "-q"]
            float_map = ask([o.qtool, "evaluate", model, *evaluate, *common])["metrics"]["mAP"]
            for profile in o.profiles.split(","):
                for run in o.runs.split(","):
                    out = pathlib.Path(tmp) / f"{profile}_{run}"
                    budget = ["--time-budget", o.budget] if run == "auto" else []
                    start = time.time()
                    summary = ask([o.qtool, "quantize", model, "--calib", data / folder, "--limit", o.images, "--profile", profile, *RUNS[run], *budget,
                                   *extra, *common, "--emit", "encodings", "--export-onnx", out / "adapted.onnx", "-o", out])
                    seconds = time.time() - start
                    metrics = ask([o.qtool, "evaluate", out / "adapted.onnx", "--encodings", out / f"{name}.encodings.json", *evaluate, *common])["metrics"]
                    cost, wide = cost_of(json.loads((out / "report.json").read_text()))
                    print(f"| {name} | {profile} | {run} | {metrics['mAP']:.2f} | {float_map - metrics['mAP']:.2f} | {metrics['mAP50']:.2f} | {wide} | "
                          f"{cost:.3f} | {seconds:.0f} | {summary['peak_memory_mb']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
