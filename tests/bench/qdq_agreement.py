#!/usr/bin/env python3
"""QDQ exports of every model of the shared data folder: does ONNX Runtime compute what the simulator computes?

    python3 tests/bench/qdq_agreement.py --qtool build/release/qtool --data ../shared/data [--images 200] [--only NAME]

Each model is quantized with both profiles and written as QDQ ONNX, checked (onnx.checker, full) and run by ONNX Runtime
with its graph optimizations off and on, and by `qtool run --encodings` on the original model, all on the same tensors.
One row a model and profile, as Markdown: agreement of top-1 for classifiers, levels of the output grid between the
outputs, and for the first image the levels between all inner tensors. "off against on" is ONNX Runtime beside itself: how far
two correct ways to compute the same file may differ, because a sum within float rounding of a tie goes either way. Needs: numpy, onnx, onnxruntime, pillow.
"""
import argparse
import json
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from real_models import recipe, run

CLASSIFIERS = ("imagenet", "cifar10")
ALL_OFF = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
ALL_ON = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


def prepared(path, sidecar, shape):
    """An image as the model's input. Close to qtool's own preparation is close enough: everyone gets the same tensor."""
    channels, height, width = shape[1:]
    image = Image.open(path).convert("L" if channels == 1 else "RGB")
    short = sidecar.get("resize_short")
    if short:
        factor = short / min(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.BILINEAR)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    else:
        image = image.resize((width, height), Image.BILINEAR)
    pixels = np.asarray(image, np.float32).reshape(height, width, channels)
    if sidecar.get("color") == "BGR":
        pixels = pixels[..., ::-1]
    pixels = pixels * sidecar.get("scale", 1 / 255)
    pixels = (pixels - np.float32(sidecar.get("mean", 0))) / np.float32(sidecar.get("std", 1))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32))


def session(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def grids(model):
    """tensor name -> (scale, name of its integers) for the activations of a QDQ model of ours"""
    constants = {i.name: i for i in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            name = node.input[0].removesuffix("_QuantizeLinear_Input").removesuffix("_Clip_Output")
            found[name] = (float(onnx.numpy_helper.to_array(constants[node.input[1]])), node.output[0])
    return found


def with_inner_tensors(model, names):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {v.name: v for v in copy.graph.value_info}
    present = {o.name for o in copy.graph.output}
    copy.graph.output.extend(known[n] for n in names if n in known and n not in present)
    return copy.SerializeToString()


def simulate(qtool, model, encodings, tensors, folder, extra, inner=()):
    np.savez(f"{folder}/x.npz", **tensors)
    arguments = [a for name in inner for a in ("--output-tensor", name)]
    code, _, error = run([qtool, "run", model, "--encodings", encodings, "--inputs", f"{folder}/x.npz", "--outputs", f"{folder}/y.npz",
                          "-q", *extra, *arguments])
    if code != 0:
        raise RuntimeError(error)
    return dict(np.load(f"{folder}/y.npz"))


class Levels:
    def __init__(self):
        self.equal = self.within = self.count = self.largest = 0

    def add(self, a, b, scale):
        # A float output has no levels; 1/255 of its range stands for one.
        step = scale or max(float(np.ptp(b)), 1e-30) / 255
        levels = np.rint(np.abs(a.astype(np.float64) - b) / step)
        self.equal += int((levels == 0).sum())
        self.within += int((levels <= 1).sum())
        self.count += levels.size
        self.largest = max(self.largest, int(levels.max(initial=0)))

    def __str__(self):
        return f"{100 * self.equal / self.count:.2f} / {100 * self.within / self.count:.2f} / {self.largest}"


def inner_tensors(o, path, qdq, encodings, feeds, folder, extra):
    """(share of equal levels over all inner tensors in percent, tensors with less than 99 % within one level)"""
    model = onnx.load(qdq)
    table = grids(model)
    names = [n for n in table if n not in feeds]
    runner = session(with_inner_tensors(model, [n + "_DequantizeLinear_Output" for n in names]), ALL_OFF)
    outputs = [x.name for x in runner.get_outputs()]
    theirs = dict(zip(outputs, runner.run(outputs, feeds)))
    ours = simulate(o.qtool, path, encodings, feeds, folder, extra, names)
    total, apart = Levels(), []
    for name in names:
        value = theirs.get(name + "_DequantizeLinear_Output", theirs.get(name))
        if value is None or name not in ours:
            continue
        one = Levels()
        one.add(value, ours[name], table[name][0])
        total.add(value, ours[name], table[name][0])
        if one.within < 0.99 * one.count:
            apart.append(name)
    return f"{100 * total.equal / total.count:.2f} / {100 * total.within / total.count:.2f} / {total.largest}", len(apart), len(names)


def row(o, name, path, profile, data, settings, folder):
    images_folder, sidecar, extra, _ = recipe(name, settings)
    json.dump(sidecar, open(f"{folder}/pre.json", "w"))
    code, _, error = run([o.qtool, "quantize", path, "--calib", str(data / images_folder), "--preprocess", f"{folder}/pre.json", "--limit",
                          str(o.count), "--profile", profile, "--emit", "encodings,qdq", "-q", "-o", folder, *o.option, *extra])
    if code != 0:
        return [name, profile, error]
    qdq, encodings = f"{folder}/{name}.qdq.onnx", f"{folder}/{name}.encodings.json"
    model = onnx.load(qdq)
    onnx.checker.check_model(model, full_check=True)
    table = grids(model)
    runners = [session(qdq, ALL_OFF), session(qdq, ALL_ON)]
    source = runners[0].get_inputs()[0]
    classifier = settings.get(name, {}).get("dataset") in CLASSIFIERS
    files = sorted(p for p in (data / images_folder).rglob("*") if p.suffix.lower() in (".jpg", ".png", ".jpeg"))
    files = files[-(o.images if classifier else o.few):]
    agree, levels, between = [0, 0], [Levels(), Levels()], 0
    for file in files:
        feeds = {source.name: prepared(file, sidecar, source.shape)}
        ours = simulate(o.qtool, path, encodings, feeds, folder, extra)
        theirs = [runner.run(None, feeds) for runner in runners]
        between += int(np.argmax(theirs[0][0]) == np.argmax(theirs[1][0]))
        for i, runner in enumerate(runners):
            for output, value in zip(runner.get_outputs(), theirs[i]):
                levels[i].add(value, ours[output.name], table.get(output.name, (None,))[0])
                agree[i] += int(np.argmax(value) == np.argmax(ours[output.name]))
    inner, apart, tensors = inner_tensors(o, path, qdq, encodings, feeds, folder, extra)
    top1 = [f"{100 * a / len(files):.1f}" if classifier else "-" for a in (*agree, between)]
    return [name, profile, str(len(files)), top1[0], str(levels[0]), top1[1], str(levels[1]), top1[2], inner, f"{apart} of {tensors}"]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--images", type=int, default=200, help="for classifiers")
    args.add_argument("--few", type=int, default=4, help="for the other models")
    args.add_argument("--count", type=int, default=32, help="calibration images")
    args.add_argument("--profiles", default="htp,dsp")
    args.add_argument("--option", action="append", default=[], help="further option of quantize, as --option=--act_bitwidth=16")
    args.add_argument("--only")
    o = args.parse_args()
    data = pathlib.Path(o.data).resolve()
    settings = json.load(open(data / "models/models.json"))
    print("Levels: equal % / within 1 % / largest.\n\n| model | profile | images | top-1 agreement, optimizations off | levels | on | levels | off against on | "
          "inner tensors, one image | of these, under 99 % within 1 |\n|---|---|---|---|---|---|---|---|---|---|")
    for path in sorted((data / "models").glob("*.onnx")):
        if o.only and path.stem not in o.only.split(","):
            continue
        for profile in o.profiles.split(","):
            with tempfile.TemporaryDirectory() as folder:
                print("| " + " | ".join(row(o, path.stem, str(path), profile, data, settings, folder)) + " |", flush=True)


if __name__ == "__main__":
    main()
