#!/usr/bin/env python3
"""The quantized forward pass: `qtool bench --backend sim` and ONNX Runtime on a QDQ model, interleaved in one run.

Each model of the data folder is quantized by qtool (profile htp) and by onnxruntime.quantization (static, QDQ, unsigned
8-bit activations, signed 8-bit weights per channel), both on its stored input: the time does not depend on the values. A
stream of images of batch 1 with 1 and 2 threads, as in forward.py, which must lie beside this file. Two columns
are qtool's: its choice on this machine, and pinned to AVX2, where integers are carried in floats.

    python3 tests/bench/simulation.py --qtool build/release/qtool --data ../shared/data [--only NAME,NAME] [--write docs/performance.md]

Needs: numpy, onnx, onnxruntime. --isa cannot be given to ONNX Runtime: it uses all the machine has in every column.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import numpy as np

import forward

BEGIN, END = "<!-- simulation: begin -->", "<!-- simulation: end -->"


def shape_flags(feeds):
    return [a for k, v in feeds.items() for a in ("--input-shape", f"{k}:{','.join(map(str, v.shape))}")]


def our_encodings(o, path, feeds, folder):
    np.savez(folder / "calibration.npz", **feeds)
    subprocess.run([o.qtool, "quantize", str(path), "--calib", str(folder / "calibration.npz"), "--profile", o.profile,
                    "--bias_bitwidth", "32", "--emit", "encodings", "-o", str(folder), "-q", *shape_flags(feeds)], check=True,
                   stderr=subprocess.DEVNULL)
    return str(folder / f"{path.stem}.encodings.json")


def peer_model(path, feeds, folder):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Once(CalibrationDataReader):
        def __init__(self):
            self.samples = iter([feeds])

        def get_next(self):
            return next(self.samples, None)

    prepared, quantized = str(folder / "prepared.onnx"), str(folder / "qdq.onnx")
    quant_pre_process(str(path), prepared, skip_symbolic_shape=True)
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
    shapes = shape_flags(feeds)
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
            note(f"ours{threads}", got["images_per_second"])
            note(f"ort{threads}", forward.images_per_second(runs[threads], feeds, o.seconds * 0.5))
            note(f"floats{threads}", ours(o, path, encodings, shapes, threads, "avx2")["images_per_second"])
        note("pair", pair.measure(o.seconds * 0.5))
        for threads in ("1", "2"):
            note(f"fma{threads}", got["fma_gflops"][threads])
        note("plan", got["plan_ms"])
        note("memory", got["peak_memory_mb"])
    pair.close()
    row = {key: statistics.median(values) for key, values in seen.items()}
    for name, ours_key, peer in (("ratio1", "ours1", "ort1"), ("ratio2", "ours2", "ort2"), ("ratio_pair", "ours2", "pair"),
                                 ("floats_ratio1", "floats1", "ort1"), ("floats_ratio2", "floats2", "ort2")):
        row[name] = statistics.median(a / b for a, b in zip(seen[ours_key], seen[peer]))
    row["isa"] = got["isa"]
    return row


HEADER = ("| model | qtool 1T | ORT QDQ 1T | ratio 1T | qtool 2T | ORT QDQ 2T | ORT 2 x 1T | ratio 2T | ratio 2 x 1T | qtool AVX2 1T / 2T | ratio 1T / 2T | "
          "FMA 1T / 2T | plan ms | peak MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")


def markdown(name, r):
    return (f"| {name} | {r['ours1']:.1f} | {r['ort1']:.1f} | **{r['ratio1']:.2f}** | {r['ours2']:.1f} | {r['ort2']:.1f} | {r['pair']:.1f} | "
            f"**{r['ratio2']:.2f}** | {r['ratio_pair']:.2f} | {r['floats1']:.1f} / {r['floats2']:.1f} | "
            f"{r['floats_ratio1']:.2f} / {r['floats_ratio2']:.2f} | {r['fma1']:.0f} / {r['fma2']:.0f} | {r['plan']:.0f} | {r['memory']:.0f} |")


def write_table(path, text):
    page = pathlib.Path(path).read_text()
    head, rest = page.split(BEGIN)
    pathlib.Path(path).write_text(head + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


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
    data = pathlib.Path(o.data).resolve()
    only = o.only.split(",") if o.only else None
    lines, isa = [HEADER], ""
    print(HEADER, flush=True)
    for path in sorted((data / "models").glob("*.onnx")):
        if only and path.stem not in only:
            continue
        stored = np.load(data / f"reference/{path.stem}.npz")
        feeds = {k[3:]: stored[k] for k in stored.files if k.startswith("in_")}
        with tempfile.TemporaryDirectory() as folder:
            row = measure(o, path, feeds, pathlib.Path(folder))
        isa = row["isa"]
        lines.append(markdown(path.stem, row))
        print(lines[-1], flush=True)
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    flags = open("/proc/cpuinfo").read()
    integers = "AMX" if "amx_int8" in flags else "VNNI" if "avx512_vnni" in flags else "no VNNI"
    text = (f"Images a second; {cpu}; qtool on {isa} ({integers}), profile {o.profile}; ONNX Runtime {ort.__version__}; "
            f"median of {o.rounds} rounds.\n\n" + "\n".join(lines))
    if o.write:
        write_table(o.write, text)


if __name__ == "__main__":
    main()
