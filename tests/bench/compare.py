#!/usr/bin/env python3
"""qtool compare against the same evaluations one after another in ONNX Runtime.

The peer evaluates the FP32 model and the QDQ model of every recipe with a reference script (eval_coco.py MODEL --file F, or
eval_imagenet.py), each in its own process. It quantizes nothing and draws no intervals. Two ratios are printed: one with
qtool's evaluations only (outputs compared with FP32's and intervals included), one with the whole of its process, which also
calibrates and quantizes.

    python3 tests/bench/compare.py --script eval_coco.py --name yolov8n --model yolov8n.onnx --calib DIR --images DIR \\
        --labels instances.json --preset yolo --recipes vanilla,bc,recommended

Needs: what the reference script needs (numpy, onnxruntime, opencv or pillow).
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time


def timed(command, check=True):
    start = time.perf_counter()
    done = subprocess.run(command, check=check, capture_output=True, text=True)
    # pycocotools ends with an IndexError when a model detects nothing at all; by then every image was evaluated.
    return time.perf_counter() - start, done.stdout or "failed: " + last_lines(done.stderr, 1)


def last_lines(text, count=2):
    return " / ".join(line.strip() for line in text.strip().splitlines()[-count:])


def recipe_options(recipe):
    stages = recipe.split("+")
    presets = {"vanilla", "recommended", "aimet", "snpe-enhanced"}
    if recipe in presets or recipe.endswith(".json"):
        return ["--recipe", recipe]
    return ["--optimizations", ",".join(stages), "--bias_bitwidth", "32"]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--script", required=True, help="reference evaluation script")
    args.add_argument("--name", required=True, help="name of the model as the script knows it")
    args.add_argument("--model", required=True)
    args.add_argument("--calib", required=True)
    args.add_argument("--calib-limit", type=int, default=100)
    args.add_argument("--images", required=True)
    args.add_argument("--labels", required=True)
    args.add_argument("--preset", required=True)
    args.add_argument("--recipes", default="vanilla,bc,recommended")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--extra", default="", help="further options of qtool, space separated")
    o = args.parse_args()
    shared = ["--calib", o.calib, "--preset", o.preset, "--threads", str(o.threads), *o.extra.split()]

    seconds, out = timed([o.qtool, "compare", o.model, *shared, "--calib-limit", str(o.calib_limit), "--images", o.images, "--labels",
                          o.labels, "--recipes", o.recipes, "--json", "-q"])
    result = json.loads(out)
    headline = next(iter(result["fp32"]["metrics"]))
    evaluating = result["fp32"]["evaluate_seconds"] + sum(row["evaluate_seconds"] for row in result["recipes"])
    print(f"qtool compare: {seconds:.1f} s, {evaluating:.1f} of them evaluating; FP32 {headline} {result['fp32']['metrics'][headline]:.2f}")
    for row in result["recipes"]:
        print(f"  {row['recipe']:<16} {row['metrics'][headline]:6.2f}  quantized in {row['quantize_seconds']:.1f} s, "
              f"evaluated in {row['evaluate_seconds']:.1f} s")

    peer = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = [None]
        for i, recipe in enumerate(o.recipes.split(",")):
            target = pathlib.Path(folder) / str(i)
            subprocess.run([o.qtool, "quantize", o.model, *shared, "--limit", str(o.calib_limit), *recipe_options(recipe), "--emit", "qdq",
                            "-o", target, "-q"], check=True, capture_output=True)
            files.append(next(target.glob("*.qdq.onnx")))
        for recipe, path in zip(["FP32", *o.recipes.split(",")], files):
            took, text = timed([sys.executable, o.script, o.name, *(["--file", str(path)] if path else [])], check=False)
            peer += took
            print(f"  ONNX Runtime {recipe:<16} {took:.1f} s: {last_lines(text)}")
    print(f"ONNX Runtime, one after another: {peer:.1f} s; {peer / evaluating:.2f} times qtool's evaluations, "
          f"{peer / seconds:.2f} times its whole process")


if __name__ == "__main__":
    main()
