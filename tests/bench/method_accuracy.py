#!/usr/bin/env python3
"""Accuracy by calibration method on the labelled models of the shared data folder, as Markdown rows.

    python3 tests/bench/method_accuracy.py --qtool build/release/qtool --data ../shared/data [--only NAME] [--methods min-max,auto]

htp profile, W8A8. Calibration: 128 images (classifiers: files 0, 2, ... 254 of the labels; detectors: coco/calib).
Evaluation: all classification images, the first 150 of the detection labels. Agreement and SQNR against FP32: all
classification images, 32 detection images. Detectors decode in float (--float, see TAILS). Needs: numpy.
"""
import argparse
import json
import pathlib
import tempfile

from real_models import headline, recipe, run

# Operators behind the last convolutions.
TAILS = {
    "yolov8n": ["/model.22/dfl/*"] + [f"/model.22/{op}*" for op in ("Concat", "Sigmoid", "Sub", "Add", "Div", "Mul", "Reshape")],
    "yolo11n_320": ["/model.23/dfl/*"] + [f"/model.23/{op}*" for op in ("Concat", "Sigmoid", "Sub", "Add", "Div", "Mul", "Reshape")],
}


def calibration_list(data, name, dataset, folder, target):
    if dataset == "coco":
        return str(data / folder)
    names = [line.split()[0] for line in (data / dataset / "labels.txt").read_text().splitlines() if line.strip()]
    target.write_text("".join(f"{data / dataset / 'images' / n}\n" for n in names[0:256:2]))
    return str(target)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--methods", default="min-max,auto")
    args.add_argument("--options", default="", help="further options of quantize, separated by blanks")
    args.add_argument("--only")
    o = args.parse_args()
    data = pathlib.Path(o.data).resolve()
    settings = json.load(open(data / "models/models.json"))
    print("| model | method | metric | agreement % | SQNR dB |\n|---|---|---|---|---|")
    for name in ([o.only] if o.only else sorted(settings)):
        dataset = settings[name]["dataset"]
        folder, sidecar, extra, evaluate = recipe(name, settings)
        if evaluate is None:
            continue
        evaluate = [str(data / a) if a.startswith(("coco/", "imagenet/", "cifar10/")) else a for a in evaluate]
        detector = dataset == "coco"
        model = str(data / "models" / f"{name}.onnx")
        with tempfile.TemporaryDirectory() as tmp:
            json.dump(sidecar, open(f"{tmp}/pre.json", "w"))
            calib = calibration_list(data, name, dataset, folder, pathlib.Path(tmp) / "calib.txt")
            pre = ["--preprocess", f"{tmp}/pre.json", "--json", "-q"]
            code, s, error = run([o.qtool, "evaluate", model, *evaluate, *pre, *(["--limit", "150"] if detector else [])])
            print(f"| {name} | FP32 | {headline(s['metrics']) if code == 0 else error} | | |", flush=True)
            for method in o.methods.split(","):
                floats = [a for tail in TAILS.get(name, []) for a in ("--float", tail)]
                code, s, error = run([o.qtool, "quantize", model, "--calib", calib, "--limit", "128", "--profile", "htp", "--emit", "encodings",
                                      "--act_quantizer_calibration", method, "-o", f"{tmp}/out", *floats, *o.options.split(), *pre, *extra])
                if code != 0:
                    print(f"| {name} | {method} | exit {code}: {error} | | |", flush=True)
                    continue
                simulated = ["--encodings", f"{tmp}/out/{name}.encodings.json", *pre]
                code, s, error = run([o.qtool, "evaluate", model, *evaluate, *simulated, *(["--limit", "150"] if detector else [])])
                metric = headline(s["metrics"]) if code == 0 else error
                code, s, error = run([o.qtool, "evaluate", model, "--images", evaluate[1], *simulated, "--limit", "32" if detector else "500"])
                rows = list(s["outputs"].values()) if code == 0 else []
                agree = f"{rows[0]['top1_agreement']:.1f}" if rows and "top1_agreement" in rows[0] else ""
                print(f"| {name} | {method} | {metric} | {agree} | {', '.join(str(round(r['sqnr_db'], 1)) for r in rows)} |", flush=True)


if __name__ == "__main__":
    main()
