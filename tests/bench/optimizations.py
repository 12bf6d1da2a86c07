#!/usr/bin/env python3
"""What --optimizations buys on the labelled models: vanilla against cle,bc, W8A8, profile dsp, 32-bit biases.

Calibration on 128 images (classifiers: files 0, 2, ..., 254 of the labels; detectors: coco/calib; deeplab: the first 32 of
these). The metric on all labelled images; agreement and output SQNR of classifiers on the same images, SQNR of the others on
16 images that calibration did not see, against the original float model. Every figure comes from `qtool evaluate` on the
files that `qtool quantize` wrote.

    python3 tests/bench/optimizations.py --qtool build/release/qtool --data ../shared/data [--models a,b] [--limit N]
        [--method percentile] [--optimizations cle,bc] [--json out.json] [--data-free] [--markdown]
        [--reference ../shared/tools/reference --python PYTHON]

--method none names no method, so that qtool chooses; --reference also measures the QDQ export by ONNX Runtime with the
evaluation scripts of that folder, run by PYTHON (with onnxruntime, numpy, pillow, opencv, pycocotools for detectors).
Otherwise nothing but Python is needed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HALF = "--preset imagenet-half"
LITE = "--preset imagenet --interp bicubic --mean 0.49803922,0.49803922,0.49803922 --std 0.50196078,0.50196078,0.50196078"
CIFAR = "--resize none --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
SSD = "--resize stretch --color RGB --scale 1/127.5 --mean 1,1,1 --std 1,1,1"
SEG = "--resize long:513 --pad-at topleft --pad 127.5 --scale 1/127.5 --mean 1,1,1 --std 1,1,1"
MODELS = {  # name: (kind, preprocessing, options of evaluate, method of vanilla and of the optimized run)
    "mobilenet_v2": ("imagenet", "--preset imagenet", "", "percentile"),
    "efficientnet_lite0": ("imagenet", LITE, "", "percentile"),
    "mobilenet_v1_075_bn": ("imagenet", HALF, "", "percentile"),
    "squeezenet1_1": ("imagenet", "--preset imagenet", "", "min-max"),
    "vit_tiny_patch16_224": ("imagenet", HALF + " --resize short:248 --interp bicubic", "", "min-max"),
    "resnet20_cifar10_bn": ("cifar10", CIFAR, "", "min-max"),
    "resnet56_cifar10": ("cifar10", CIFAR, "", "min-max"),
    "deeplabv3_mnv2": ("seg", SEG, "", "min-max"),
    "ssdlite_mnv2_person_300": ("coco", SSD, "--iou 0.6 --max-det 100 --categories 1", "min-max"),
}


def call(qtool, *words):
    command = [qtool, *" ".join(str(w) for w in words).split(), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(" ".join(command) + "\n" + done.stderr)
    return json.loads(done.stdout)


def by_onnx_runtime(args, kind, name, qdq):
    """The metric of the QDQ export, computed by a program that shares no code with qtool."""
    script = {"seg": ["eval_seg.py"], "coco": ["eval_coco.py", name]}.get(kind, ["eval_imagenet.py", name])
    command = [args.python, args.reference / script[0], *script[1:], "--file", qdq, *(["--limit", str(args.limit)] if args.limit else [])]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1]
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return next(result[key] for key in ("top1", "mIoU", "mAP", "AP") if key in result)


def listing(folder, name, paths):
    file = folder / name
    file.write_text("".join(f"{p}\n" for p in paths))
    return file


def prepare(kind, data, folder):
    """(calibration, 16 unseen images, all images, labels, folder or list for the metric)"""
    if kind in ("imagenet", "cifar10"):
        root = data / kind / "images"
        files = [root / line.split()[0] for line in (data / kind / "labels.txt").read_text().splitlines()]
        calib = listing(folder, "calib.txt", files[0:256:2])
        unseen = listing(folder, "unseen.txt", files[1:256:16])
        return calib, unseen, listing(folder, "all.txt", files), data / kind / "labels.txt", root
    calib = sorted((data / "coco" / "calib").iterdir())
    images = data / "coco" / "images"
    unseen = listing(folder, "unseen.txt", sorted(images.iterdir())[:16])
    if kind == "seg":
        return listing(folder, "calib.txt", calib[:32]), unseen, None, data / "coco" / "voc21_masks", images
    return listing(folder, "calib.txt", calib[:128]), unseen, None, data / "coco" / "instances_val300.json", images


def measure(args, model, encodings, original, options, paths):
    preprocessing, evaluate = options
    calib, unseen, everything, labels, images = paths
    limit = f"--limit {args.limit}" if args.limit else ""
    extra = f"--encodings {encodings}" if encodings else ""
    result = {}
    metric = call(args.qtool, "evaluate", model, "--images", images, "--labels", labels, extra, preprocessing, evaluate, limit)
    result["metric"] = next(iter(metric["metrics"].values()))
    compared = call(args.qtool, "evaluate", model, extra, "--reference", original, "--images", unseen, preprocessing)
    result["sqnr_db"] = [round(o["sqnr_db"], 2) for o in compared["outputs"].values()]
    if everything:
        compared = call(args.qtool, "evaluate", model, extra, "--reference", original, "--images", everything, preprocessing, limit)
        first = next(iter(compared["outputs"].values()))
        result["agreement"] = first.get("top1_agreement")
        result["sqnr_db"] = [round(first["sqnr_db"], 2)]
    return result


def run(args, name, folder):
    kind, preprocessing, evaluate, method = MODELS[name]
    paths = prepare(kind, args.data, folder)
    original = args.data / "models" / f"{name}.onnx"
    rows = {"FP32": {"metric": next(iter(call(args.qtool, "evaluate", original, "--images", paths[4], "--labels", paths[3],
                                              preprocessing, evaluate, f"--limit {args.limit}" if args.limit else "")["metrics"].values()))}}
    named = "" if args.method == "none" else f"--act_quantizer_calibration {args.method or method}"
    samples = "--data-free" if args.data_free else f"--calib {paths[0]} {named}"
    for row, stages in {"vanilla": "", args.optimizations: f"--optimizations {args.optimizations}"}.items():
        if row == "vanilla" and (args.data_free or args.no_vanilla):
            continue
        out = folder / (row.replace(",", "_"))
        start = time.time()
        summary = call(args.qtool, "quantize", original, samples, preprocessing, "--bias_bitwidth 32", stages,
                       "--emit encodings,qdq" if args.reference else "--emit encodings",
                       "--export-onnx", folder / "adapted.onnx", "-o", out, args.more)
        seconds = round(time.time() - start, 1)
        result = measure(args, folder / "adapted.onnx", out / f"{name}.encodings.json", original, (preprocessing, evaluate), paths)
        if args.reference:
            result["onnx_runtime"] = by_onnx_runtime(args, kind, name, out / f"{name}.qdq.onnx")
        result["seconds"] = seconds
        result["stages"] = [(s["stage"], s["decision"], s.get("reason", "")) for s in summary.get("optimizations", [])]
        rows[row] = result
    return rows


MARKDOWN_HEAD = ("| model | run | metric, simulated | metric, ONNX Runtime on the QDQ export | agreement % | SQNR dB | s |\n"
                 "|---|---|---|---|---|---|---|")


def agreement_of(row):
    return "" if row.get("agreement") is None else f"{row['agreement']:.1f}"


def say_markdown(name, rows):
    for row, r in rows.items():
        sqnr = ", ".join(f"{v:.1f}" for v in r.get("sqnr_db", []))
        print(f"| {name} | {row} | {r['metric']:.2f} | {r.get('onnx_runtime', '')} | {agreement_of(r)} | {sqnr} | {r.get('seconds', '')} |", flush=True)


def say(name, rows):
    for row, r in rows.items():
        ort = f"  ONNX Runtime {r['onnx_runtime']}" if "onnx_runtime" in r else ""
        print(f"{name:<26}{row:<12}{r['metric']:>8.2f}{agreement_of(r):>9}  {r.get('sqnr_db', '')}{ort}", flush=True)
        for stage in r.get("stages", []):
            print(f"{'':<26}{'':<12}{' / '.join(stage)}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qtool", default="build/release/qtool")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--optimizations", default="cle,bc")
    parser.add_argument("--method", default="", help="calibration method of all models")
    parser.add_argument("--more", default="", help="further options of quantize")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--data-free", action="store_true")
    parser.add_argument("--no-vanilla", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="one table row a model and run")
    parser.add_argument("--reference", type=pathlib.Path, help="folder of the evaluation scripts that use ONNX Runtime")
    parser.add_argument("--python", default=sys.executable, help="that runs them")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.data = args.data.resolve()
    everything = {}
    print(MARKDOWN_HEAD if args.markdown else f"{'model':<26}{'':<12}{'metric':>8}{'agree %':>9}  SQNR dB")
    for name in args.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            everything[name] = run(args, name, pathlib.Path(folder))
        (say_markdown if args.markdown else say)(name, everything[name])
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
