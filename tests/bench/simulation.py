#!/usr/bin/env python3
"""The quantized forward pass: `qtool bench --backend sim` and ONNX Runtime on a QDQ model, interleaved in one run.

Each model of the data folder is quantized by qtool (profile htp) and by onnxruntime.quantization (static, QDQ, unsigned
8-bit activations, signed 8-bit weights per channel), both on its stored input: the time does not depend on the values. A
stream of images of batch 1 with 1 and 2 threads, as in forward.py, which must lie beside this file. One
more column is qtool pinned to AVX2, where integers are carried in floats; the peer uses all the machine has and cannot be pinned.

    python3 tests/bench/simulation.py --qtool build/release/qtool --data ../shared/data [--only NAME,NAME] [--write docs/performance.md]

Needs: numpy, onnx, onnxruntime.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import forward

BEGIN, END = "<!-- simulation: begin -->", "<!-- simulation: end -->"


def our_encodings(o, path, feeds, folder):
    np.savez(folder / "calibration.npz", **feeds)
    subprocess.run([o.qtool, "quantize", str(path), "--calib", str(folder / "calibration.npz"), "--profile", o.profile,
                    "--bias_bitwidth", "32", "--emit", "encodings", "-o", str(folder), "-q", *forward.shape_flags(feeds)], check=True,
                   stderr=subprocess.DEVNULL)
    return str(folder / f"{path.stem}.encodings.json")


def peer_model(path, feeds, folder):
    import onnx
    import onnx.version_converter
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Once(CalibrationDataReader):
        def __init__(self):
            self.samples = iter([feeds])

        def get_next(self):
            return next(self.samples, None)

    prepared, quantized = str(folder / "prepared.onnx"), str(folder / "qdq.onnx")
    quant_pre_process(str(path), prepared, skip_symbolic_shape=True)
    model = onnx.load(prepared)
    if next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) < 13:  # scales per channel came with 13
        onnx.save(onnx.version_converter.convert_version(model, 13), prepared)
    quantize_static(prepared, quantized, Once(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return quantized


def ours(o, path, encodings, shapes, threads, isa):
    command = [o.qtool, "bench", str(path), "--backend", "sim", "--encodings", encodings, "--threads", str(threads),
               "--seconds", str(o.seconds), "--json", "-q", *shapes]
    if isa:
        command += ["--isa", isa]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(o, path, feeds, folder):
    encodings, qdq = our_encodings(o, path, feeds, folder), peer_model(path, feeds, folder)
    shapes = forward.shape_flags(feeds)
    runs = {t: forward.session(qdq, t) for t in (1, 2)}
    for run in runs.values():
        run.run(None, feeds)
    pair = forward.Processes(qdq, feeds, 2)
    seen = {}

    def note(key, value):
        seen.setdefault(key, []).append(value)

    for _ in range(o.rounds):
        for threads in (1, 2):
            got = ours(o, path, encodings, shapes, threads, None)
            note(f"qtool{threads}", got["images_per_second"])
            note(f"ort{threads}", forward.images_per_second(runs[threads], feeds, o.seconds * 0.5))
        note("floats1", ours(o, path, encodings, shapes, 1, "avx2")["images_per_second"])
        note("pair", pair.measure(o.seconds * 0.5))
        for threads in ("1", "2"):
            note(f"fma{threads}", got["fma_gflops"][threads])
        note("plan", got["plan_ms"])
        note("memory", got["peak_memory_mb"])
    pair.close()
    row = forward.medians(seen)
    row["isa"] = got["isa"]
    return row


HEADER = ("| model | qtool 1T | ORT QDQ 1T | ratio 1T | qtool 2T | ORT QDQ 2T | ORT 2 x 1T | ratio 2T | ratio 2 x 1T | qtool AVX2 1T | "
          "FMA 1T / 2T | plan ms | peak MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|")


def markdown(name, r):
    return (f"| {name} | {r['qtool1']:.1f} | {r['ort1']:.1f} | **{r['ratio1']:.2f}** | {r['qtool2']:.1f} | {r['ort2']:.1f} | {r['pair']:.1f} | "
            f"**{r['ratio2']:.2f}** | {r['ratio_pair']:.2f} | {r['floats1']:.1f} | "
            f"{r['fma1']:.0f} / {r['fma2']:.0f} | {r['plan']:.0f} | {r['memory']:.0f} |")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--profile", default="htp")
    args.add_argument("--seconds", type=float, default=2.0, help="a measurement; about half of it is counted")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--only", help="model names, comma separated")
    args.add_argument("--write", help="Markdown file whose table is replaced")
    o = args.parse_args()
    import onnxruntime as ort

    def in_new_folder(path, feeds):
        with tempfile.TemporaryDirectory() as folder:
            return measure(o, path, feeds, pathlib.Path(folder))

    lines, isa = forward.print_rows(o, HEADER, in_new_folder, markdown)
    flags = open("/proc/cpuinfo").read()
    integers = "AMX" if "amx_int8" in flags else "VNNI" if "avx512_vnni" in flags else "no VNNI"
    text = (f"Images a second; {forward.cpu_name()}; qtool on {isa} ({integers}), profile {o.profile}; ONNX Runtime {ort.__version__}; "
            f"median of {o.rounds} rounds.\n\n" + "\n".join(lines))
    if o.write:
        forward.write_table(o.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
