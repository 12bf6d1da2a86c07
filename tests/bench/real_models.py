#!/usr/bin/env python3
"""The main job on every model of the shared data folder: one row a model, as Markdown.

    python3 tests/bench/real_models.py --qtool build/release/qtool --data ../shared/data [--accuracy] [--only NAME]

For each model: max |difference| of the FP32 outputs from the stored reference outputs relative to the output's range,
`qtool quantize` on 100 images (time, peak memory, exit code) for both profiles, and with --accuracy the FP32 metric and
the simulated W8A8 one. Needs: numpy.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

# Models without labels and without an entry in models.json: how to feed them images.
FALLBACK = {
    "deeplabv3_mnv2": ("coco/images", {"resize": "long:513", "pad": 127.5, "pad_at": "topleft", "scale": 1, "mean": 127.5, "std": 127.5}, []),
    "face_rfb_320": ("coco/calib", {"resize": "stretch", "scale": 1, "mean": 127, "std": 128}, []),
    "ppocrv4_det": ("coco/calib", {"resize": "stretch", "scale": 0.00392156862745098, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
                    ["--input-shape", "x:1,3,640,640"]),
    "style_transfer_256": ("coco/calib", {"resize": "stretch", "scale": 1, "mean": 0, "std": 1}, []),
    "super_resolution_x3": ("coco/calib", {"resize": "stretch", "color": "GRAY", "scale": 0.00392156862745098, "mean": 0, "std": 1}, []),
}
PREPROCESSING_KEYS = ("input_size", "resize_short", "interp", "mean", "std", "color", "scale", "pad", "pad_at", "resize", "size_rounding")


def recipe(name, settings):
    """(image folder, sidecar dictionary, extra arguments, evaluation arguments)"""
    if name not in settings:
        folder, sidecar, extra = FALLBACK[name]
        return folder, sidecar, extra, None
    s = settings[name]
    sidecar = {k: s[k] for k in PREPROCESSING_KEYS if k in s}
    dataset = s["dataset"]
    if dataset == "coco":
        sidecar.setdefault("resize", "letterbox")
        evaluate = ["--images", "coco/images", "--labels", "coco/instances_val300.json", "--iou", str(s["nms_iou"]),
                    "--max-det", str(s["max_det"]), "--decoder", s["post"]]
        if "categories" in s:
            evaluate += ["--categories", ",".join(map(str, s["categories"]))]
        return "coco/calib", sidecar, [], evaluate
    return f"{dataset}/images", sidecar, [], ["--images", f"{dataset}/images", "--labels", f"{dataset}/labels.txt",
                                             "--class-offset", str(s.get("class_offset", 0))]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, (json.loads(done.stdout) if done.returncode == 0 and done.stdout.startswith("{") else {}), done.stderr.strip()


def reference_difference(qtool, model, reference, folder):
    stored = np.load(reference)
    feeds = {k[3:]: stored[k] for k in stored.files if k.startswith("in_")}
    np.savez(f"{folder}/x.npz", **feeds)
    shapes = [a for k, v in feeds.items() for a in ("--input-shape", f"{k}:{','.join(map(str, v.shape))}")]
    code, summary, error = run([qtool, "run", model, "--inputs", f"{folder}/x.npz", "--outputs", f"{folder}/y.npz", "--json", "-q", *shapes])
    if code != 0:
        return error
    ours, worst = np.load(f"{folder}/y.npz"), 0.0
    for i, name in enumerate(summary["outputs"]):
        want, got = stored[f"out_{i}"], ours[name]
        if got.shape != want.shape:
            got = got[..., ::4, ::4]  # deeplab's reference keeps every fourth row and column
        worst = max(worst, float(np.abs(got - want).max() / max(want.max() - want.min(), 1e-30)))
    return f"{worst:.1e}"


def headline(metrics):
    for key in ("top1", "mAP", "mIoU"):
        if key in metrics:
            return f"{key} {metrics[key]:.2f}"
    return "-"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--count", type=int, default=100)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--accuracy", action="store_true")
    args.add_argument("--only")
    o = args.parse_args()
    data = pathlib.Path(o.data).resolve()
    settings = json.load(open(data / "models/models.json"))
    print("| model | FP32 vs reference | dsp: s, peak MB | htp: s, peak MB | FP32 | htp W8A8 |\n|---|---|---|---|---|---|")
    for path in sorted((data / "models").glob("*.onnx")):
        name = path.stem
        if o.only and name != o.only:
            continue
        folder, sidecar, extra, evaluate = recipe(name, settings)
        with tempfile.TemporaryDirectory() as tmp:
            json.dump(sidecar, open(f"{tmp}/pre.json", "w"))
            row = [name, reference_difference(o.qtool, str(path), data / f"reference/{name}.npz", tmp)]
            for profile in ("dsp", "htp"):
                code, s, error = run([o.qtool, "quantize", str(path), "--calib", str(data / folder), "--preprocess", f"{tmp}/pre.json",
                                      "--limit", str(o.count), "--profile", profile, "--threads", str(o.threads), "--json", "-q",
                                      "-o", f"{tmp}/{profile}", *extra])
                row.append(f"{s['seconds']['total']:.2f}, {s['peak_memory_mb']:.0f}" if code == 0 else f"exit {code}: {error}")
            for encodings in ([], ["--encodings", f"{tmp}/htp/{name}.encodings.json"]):
                if not o.accuracy or evaluate is None:
                    row.append("-")
                    continue
                located = [str(data / a) if a.startswith(("coco/", "imagenet/", "cifar10/")) else a for a in evaluate]
                code, s, error = run([o.qtool, "evaluate", str(path), *located, "--preprocess", f"{tmp}/pre.json", "--json", "-q", *encodings])
                row.append(headline(s["metrics"]) if code == 0 else error)
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
