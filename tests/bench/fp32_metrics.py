#!/usr/bin/env python3
"""FP32 metrics of every labelled model beside those that the README of the shared data folder states, as Markdown.

    python3 tests/bench/fp32_metrics.py --qtool build/release/qtool --data ../shared/data [--only NAME]

The stated figures come from ONNX Runtime and pycocotools. Exit code 1 when one differs by more than 0.1 points.
"""
import argparse
import json
import pathlib
import re
import sys
import tempfile

from real_models import recipe, run

NAMES = {"top-1": "top1", "top-5": "top5", "AP": "mAP", "AP50": "mAP50", "AP75": "mAP75", "pixel accuracy": "pixel_accuracy"}
TOLERANCE = 0.1  # points


def stated(readme):
    """{model: {metric: points}} from the rows `| model | input | data | metrics | ... |`."""
    table = {}
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 4 or not re.search(r"(top-1|AP|mIoU) \d", cells[3]):
            continue
        names = [re.sub(r"\s*\(.*", "", part).strip() for part in cells[0].split(" / ")]
        for i, name in enumerate(names):
            table[name] = {NAMES.get(metric, metric): float(values.split(" / ")[i])
                           for metric, values in re.findall(r"([A-Za-z][\w -]*?) ((?:[\d.]+ / )*[\d.]+)", cells[3])}
    return table


def evaluation(name, settings, data):
    _, sidecar, _, evaluate = recipe(name, settings)
    if evaluate is None:
        evaluate = ["--images", "coco/images", "--labels", "coco/voc21_masks"]
    return sidecar, [str(data / word) if word.startswith(("coco/", "imagenet/", "cifar10/")) else word for word in evaluate]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--only")
    o = args.parse_args()
    data = pathlib.Path(o.data).resolve()
    settings = json.load(open(data / "models/models.json"))
    worst = 0.0
    print("| model | images | metric: stated / qtool | largest difference | s |\n|---|---|---|---|---|")
    for name, wanted in stated((data / "README.md").read_text()).items():
        if o.only and name != o.only:
            continue
        sidecar, words = evaluation(name, settings, data)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(sidecar, file)
            file.flush()
            code, got, error = run([o.qtool, "evaluate", str(data / f"models/{name}.onnx"), *words, "--preprocess", file.name, "--json", "-q"])
        if code != 0:
            sys.exit(f"{name}: {error}")
        difference = max(abs(got["metrics"][metric] - value) for metric, value in wanted.items())
        worst = max(worst, difference)
        figures = ", ".join(f"{metric}: {value} / {got['metrics'][metric]:.2f}" for metric, value in wanted.items())
        print(f"| {name} | {got['images']} | {figures} | {difference:.3f} | {got['seconds']:.1f} |", flush=True)
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
