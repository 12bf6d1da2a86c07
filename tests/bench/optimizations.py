#!/usr/bin/env python3
"""What --optimizations buys on the labelled models: vanilla against cle,bc, W8A8, profile dsp, 32-bit biases.

Calibration on 128 images (classifiers: files 0, 2, ..., 254 of the labels; detectors: coco/calib; deeplab: the first 32 of
these), the metric on all labelled images, agreement on the same images and output SQNR on 16 images that calibration did not
see, both against the original float model. Every figure comes from `qtool evaluate` on the files that `qtool quantize` wrote.

    python3 tests/bench/optimizations.py --qtool build/release/qtool --data ../shared/data [--models a,b] [--limit N]
        [--method percentile] [--optimizations cle,bc] [--json out.json] [--data-free]

Needs nothing but Python.
"""
import argparse
import json
import pathlib
import subprocess
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
        result["agreement"] = next(iter(compared["outputs"].values())).get("top1_agreement")
    return result


def run(args, name, folder):
    kind, preprocessing, evaluate, method = MODELS[name]
    paths = prepare(kind, args.data, folder)
    original = args.data / "models" / f"{name}.onnx"
    rows = {"FP32": {"metric": next(iter(call(args.qtool, "evaluate", original, "--images", paths[4], "--labels", paths[3],
                                              preprocessing, evaluate, f"--limit {args.limit}" if args.limit else "")["metrics"].values()))}}
    samples = "--data-free" if args.data_free else f"--calib {paths[0]} --act_quantizer_calibration {args.method or method}"
    for row, stages in {"vanilla": "", args.optimizations: f"--optimizations {args.optimizations}"}.items():
        if args.data_free and row == "vanilla":
            continue
        out = folder / (row.replace(",", "_"))
        start = time.time()
        summary = call(args.qtool, "quantize", original, samples, preprocessing, "--bias_bitwidth 32", stages, "--emit encodings",
                       "--export-onnx", folder / "adapted.onnx", "-o", out, args.more)
        result = measure(args, folder / "adapted.onnx", out / f"{name}.encodings.json", original, (preprocessing, evaluate), paths)
        result["seconds"] = round(time.time() - start, 1)
        result["stages"] = [(s["stage"], s["decision"], s.get("reason", "")) for s in summary.get("optimizations", [])]
        rows[row] = result
    return rows


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
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.data = args.data.resolve()
    everything = {}
    print(f"{'model':<26}{'':<12}{'metric':>8}{'agree %':>9}  SQNR dB")
    for name in args.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            everything[name] = run(args, name, pathlib.Path(folder))
        for row, r in everything[name].items():
            agree = f"{r['agreement']:.1f}" if r.get("agreement") is not None else "-"
            print(f"{name:<26}{row:<12}{r['metric']:>8.2f}{agree:>9}  {r.get('sqnr_db', '')}", flush=True)
            for stage in r.get("stages", []):
                print(f"{'':<26}{'':<12}{' / '.join(stage)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
