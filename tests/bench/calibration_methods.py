#!/usr/bin/env python3
"""Histogram calibration: qtool answering every method from one pass, beside ONNX Runtime's percentile and entropy calibrators.

The peer's calibrators keep all intermediate tensors of a chunk of images, so they are fed a few images at a time. Its images
are decoded and resized beforehand and not counted; for qtool the whole process counts, from reading the ONNX file to the
encodings file, image decoding included. Rounds are interleaved; the peer's time is scaled from --peer-count to --count images.

    python3 tests/bench/calibration_methods.py --qtool build/release/qtool --model yolov8n.onnx --images DIR --count 100

Needs: numpy, opencv-python-headless, onnx, onnxruntime.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from minmax_calibration import letterbox


def image_files(folder, count):
    return sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]


def peer(o):
    """Runs in a process of its own, so that its memory can be told."""
    import onnxruntime as ort
    from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self, name, tensors):
            self.items = iter([{name: x} for x in tensors])

        def get_next(self):
            return next(self.items, None)

    tensors = [letterbox(p, o.size) for p in image_files(o.images, o.peer_count)]
    method = {"percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}[o.peer]
    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(o.model, [], augmented_model_path=os.path.join(folder, "augmented.onnx"),
                                       calibrate_method=method)
        options = ort.SessionOptions()
        options.intra_op_num_threads = o.threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # as the calibrator sets it
        calibrator.infer_session = ort.InferenceSession(calibrator.augmented_model_path, options, providers=["CPUExecutionProvider"])
        name = calibrator.infer_session.get_inputs()[0].name
        start, cpu = time.perf_counter(), time.process_time()
        for at in range(0, len(tensors), o.chunk):
            calibrator.collect_data(Reader(name, tensors[at:at + o.chunk]))
        ranges = calibrator.compute_data()
        print(json.dumps(dict(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu, images=len(tensors),
                              tensors=len(ranges.data), mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))


def run_peer(o, method):
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--peer", method], check=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, OMP_NUM_THREADS=str(o.threads), OPENBLAS_NUM_THREADS=str(o.threads)))
    return json.loads(done.stdout.splitlines()[-1])


def run_qtool(o, listing, folder, *options):
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([o.qtool, "quantize", o.model, "--calib", listing, "--preset", "yolo", "--threads", str(o.threads), "--profile", "htp",
                           "--emit", "encodings", "--json", "--quiet", "-o", os.path.join(folder, "out"), *options],
                          check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(seconds=time.perf_counter() - start, mb=json.loads(done.stdout)["peak_memory_mb"],
                cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--model", required=True)
    args.add_argument("--images", required=True)
    args.add_argument("--count", type=int, default=100)
    args.add_argument("--peer-count", type=int, default=24)
    args.add_argument("--chunk", type=int, default=8)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--size", type=int, default=640)
    args.add_argument("--peer", choices=("percentile", "entropy"), help=argparse.SUPPRESS)
    o = args.parse_args()
    if o.peer:
        return peer(o)

    files = image_files(o.images, o.count)
    rows = {"percentile": [], "entropy": [], "qtool, one method": [], "qtool, all methods compared": []}
    with tempfile.TemporaryDirectory() as folder:
        listing = os.path.join(folder, "list.txt")
        pathlib.Path(listing).write_text("".join(f"{p.resolve()}\n" for p in files))
        for _ in range(o.rounds):
            for method in ("percentile", "entropy"):
                row = run_peer(o, method)
                scale = len(files) / row["images"]
                rows[method].append(dict(seconds=row["seconds"] * scale, cpu=row["cpu"] * scale, mb=row["mb"]))
            rows["qtool, one method"].append(run_qtool(o, listing, folder, "--act_quantizer_calibration", "entropy"))
            rows["qtool, all methods compared"].append(run_qtool(o, listing, folder, "--compare-calibration"))
    table = {name: {key: round(statistics.median(r[key] for r in runs), 1) for key in ("seconds", "cpu", "mb")} for name, runs in rows.items()}
    for method in ("percentile", "entropy"):
        for ours in ("qtool, one method", "qtool, all methods compared"):
            table[f"{method} / {ours}"] = {key: round(statistics.median(p[key] / q[key] for p, q in zip(rows[method], rows[ours])), 1)
                                           for key in ("seconds", "cpu", "mb")}
    print(json.dumps(dict(model=os.path.basename(o.model), images=len(files), threads=o.threads, table=table), indent=1))


if __name__ == "__main__":
    main()
