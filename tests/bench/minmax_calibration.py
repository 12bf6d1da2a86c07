#!/usr/bin/env python3
"""qtool quantize against ONNX Runtime doing the work of its min-max calibrator, interleaved in one run.

The peer runs the same model with a ReduceMin and a ReduceMax output for every float tensor (what its MinMaxCalibrater
adds) over the same images. Image decoding and resizing are not counted for the peer; for qtool the whole process is
(start, import, decode, resize, forward, statistics, encodings file).

    python3 tests/bench/minmax_calibration.py --qtool build/release/qtool --model yolov8n.onnx --images DIR --count 100

Needs: numpy, opencv-python-headless, onnx, onnxruntime.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy as np
import onnx
import onnxruntime as ort


def augmented(path):
    """The model with ReduceMin and ReduceMax of every float tensor as further outputs."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    floats = {v.name for v in list(model.graph.value_info) + list(model.graph.output) + list(model.graph.input)
              if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    floats -= {i.name for i in model.graph.initializer}
    for name in sorted(floats):
        for op in ("ReduceMin", "ReduceMax"):
            out = f"{name}_{op}"
            model.graph.node.append(onnx.helper.make_node(op, [name], [out], keepdims=0))
            model.graph.output.append(onnx.helper.make_tensor_value_info(out, onnx.TensorProto.FLOAT, None))
    return model.SerializeToString(), len(floats)


def letterbox(path, size):
    image = cv2.imread(str(path))
    h, w = image.shape[:2]
    ratio = min(size / h, size / w)
    nh, nw = round(h * ratio), round(w * ratio)
    canvas = np.full((size, size, 3), 114, np.uint8)
    top, left = (size - nh) // 2, (size - nw) // 2
    canvas[top:top + nh, left:left + nw] = cv2.resize(image, (nw, nh), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--model", required=True)
    args.add_argument("--images", required=True)
    args.add_argument("--count", type=int, default=100)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--size", type=int, default=640)
    o = args.parse_args()

    files = sorted(p for p in pathlib.Path(o.images).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:o.count]
    tensors = [letterbox(p, o.size) for p in files]
    bytes_, taps = augmented(o.model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = o.threads
    session = ort.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    session.run(None, {name: tensors[0]})

    with tempfile.TemporaryDirectory() as folder:
        listing = os.path.join(folder, "list.txt")
        with open(listing, "w") as f:
            f.write("".join(f"{p.resolve()}\n" for p in files))
        ours, peer, memory = [], [], 0
        for _ in range(o.rounds):
            start = time.perf_counter()
            for x in tensors:
                session.run(None, {name: x})
            peer.append(time.perf_counter() - start)
            start = time.perf_counter()
            done = subprocess.run([o.qtool, "quantize", o.model, "--calib", listing, "--preset", "yolo", "--threads", str(o.threads),
                                   "--emit", "encodings", "--json", "--quiet", "-o", os.path.join(folder, "out")],
                                  check=True, stdout=subprocess.PIPE)
            ours.append(time.perf_counter() - start)
            memory = max(memory, json.loads(done.stdout)["peak_memory_mb"])
    flags = open("/proc/cpuinfo").read()
    isa = "AVX-512 VNNI" if "avx512_vnni" in flags else "AVX-512" if "avx512f" in flags else "AVX2"
    result = dict(model=os.path.basename(o.model), images=len(files), threads=o.threads, isa=isa, onnxruntime=ort.__version__,
                  tapped_tensors=taps, peer_seconds=round(statistics.median(peer), 2), qtool_seconds=round(statistics.median(ours), 2),
                  ratio=round(statistics.median(p / q for p, q in zip(peer, ours)), 2), qtool_peak_mb=round(memory))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
