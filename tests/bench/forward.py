#!/usr/bin/env python3
"""Forward pass of every model: qtool and ONNX Runtime interleaved in one run, warm, median of rounds, as Markdown.

A stream of images of batch 1 with 1 and 2 threads. qtool runs one image a thread. ONNX Runtime, with all its
optimizations, runs both of its ways: one process whose operators use the threads, and one single-threaded process a
thread; the ratio is to the faster. Beside the figures stands what a bare multiply-add loop gave in the same minute: where
two threads give less than about 1.9 times one, somebody else had a share of the machine.

    python3 tests/bench/forward.py --qtool build/release/qtool --data ../shared/data [--only NAME,NAME] [--isa avx2] [--write docs/performance.md]

Needs: numpy, onnxruntime. --isa pins qtool only: ONNX Runtime cannot be pinned.
"""
import argparse
import json
import multiprocessing
import pathlib
import statistics
import subprocess
import time

import numpy as np

BEGIN, END = "<!-- forward: begin -->", "<!-- forward: end -->"


def session(path, threads):
    import onnxruntime as ort
    ort.set_default_logger_severity(3)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def images_per_second(run, feeds, seconds):
    count, start = 0, time.perf_counter()
    while True:
        run.run(None, feeds)
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count / elapsed


def peer_worker(path, feeds, pipe):
    run = session(path, 1)
    run.run(None, feeds)
    pipe.send("ready")
    while True:
        seconds = pipe.recv()
        if seconds is None:
            return
        pipe.send(images_per_second(run, feeds, seconds))


class Processes:
    """One single-threaded ONNX Runtime a process, started together."""

    def __init__(self, path, feeds, count):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.children = [], []
        for _ in range(count):
            ours, theirs = context.Pipe()
            child = context.Process(target=peer_worker, args=(path, feeds, theirs), daemon=True)
            child.start()
            self.pipes.append(ours)
            self.children.append(child)
        for pipe in self.pipes:
            pipe.recv()

    def measure(self, seconds):
        for pipe in self.pipes:
            pipe.send(seconds)
        return sum(pipe.recv() for pipe in self.pipes)

    def close(self):
        for pipe in self.pipes:
            pipe.send(None)
        for child in self.children:
            child.join()


def ours(o, path, shapes, threads):
    command = [o.qtool, "bench", path, "--threads", str(threads), "--seconds", str(o.seconds), "--json", "-q", *shapes]
    if o.isa:
        command += ["--isa", o.isa]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(o, path, feeds):
    shapes = shape_flags(feeds)
    runs = {t: session(path, t) for t in (1, 2)}
    for run in runs.values():
        run.run(None, feeds)
    pair = Processes(path, feeds, 2)
    seen = {key: [] for key in ("qtool1", "qtool2", "ort1", "ort2", "pair", "fma1", "fma2", "import", "plan", "memory")}
    for _ in range(o.rounds):
        for threads in (1, 2):
            got = ours(o, path, shapes, threads)
            seen[f"qtool{threads}"].append(got["images_per_second"])
            seen[f"ort{threads}"].append(images_per_second(runs[threads], feeds, o.seconds * 0.5))
        seen["pair"].append(pair.measure(o.seconds * 0.5))
        seen["fma1"].append(got["fma_gflops"]["1"])
        seen["fma2"].append(got["fma_gflops"]["2"])
        seen["import"].append(got["import_ms"])
        seen["plan"].append(got["plan_ms"])
        seen["memory"].append(got["peak_memory_mb"])
    pair.close()
    row = medians(seen)
    row["isa"] = got["isa"]
    return row


HEADER = ("| model | qtool 1T | ORT 1T | ratio 1T | qtool 2T | ORT 2T | ORT 2 x 1T | ratio 2T | ratio 2 x 1T | FMA 1T / 2T | import + plan ms | peak MB |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|---|")


def markdown(name, r):
    return (f"| {name} | {r['qtool1']:.1f} | {r['ort1']:.1f} | **{r['ratio1']:.2f}** | {r['qtool2']:.1f} | {r['ort2']:.1f} | {r['pair']:.1f} | "
            f"**{r['ratio2']:.2f}** | {r['ratio_pair']:.2f} | {r['fma1']:.0f} / {r['fma2']:.0f} | {r['import']:.0f} + {r['plan']:.0f} | {r['memory']:.0f} |")


def write_table(path, text, begin, end):
    """Replaces what stands between the two markers."""
    page = pathlib.Path(path).read_text()
    head, rest = page.split(begin)
    pathlib.Path(path).write_text(head + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def medians(seen):
    """Of every series, and of the ratios round by round."""
    row = {key: statistics.median(values) for key, values in seen.items()}
    for name, ours_key, peer in (("ratio1", "qtool1", "ort1"), ("ratio2", "qtool2", "ort2"), ("ratio_pair", "qtool2", "pair")):
        row[name] = statistics.median(a / b for a, b in zip(seen[ours_key], seen[peer]))
    return row


def cpu_name():
    return next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")


def input_feeds(reference):
    stored = np.load(reference)
    return {k[3:]: stored[k] for k in stored.files if k.startswith("in_")}


def shape_flags(feeds):
    return [a for k, v in feeds.items() for a in ("--input-shape", f"{k}:{','.join(map(str, v.shape))}")]


def print_rows(o, header, measure, markdown):
    """measure(path, feeds) of every chosen model, printed as it comes: (lines, ISA that qtool ran on)."""
    data = pathlib.Path(o.data).resolve()
    only = o.only.split(",") if o.only else None
    lines, isa = [header], ""
    print(header, flush=True)
    for path in sorted((data / "models").glob("*.onnx")):
        if only and path.stem not in only:
            continue
        row = measure(path, input_feeds(data / f"reference/{path.stem}.npz"))
        isa = row["isa"]
        lines.append(markdown(path.stem, row))
        print(lines[-1], flush=True)
    return lines, isa


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--data", default="../shared/data")
    args.add_argument("--seconds", type=float, default=2.0, help="a measurement; about half of it is counted")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--isa", help="pin qtool: generic, avx2 or avx512")
    args.add_argument("--only", help="model names, comma separated")
    args.add_argument("--write", help="Markdown file whose table is replaced")
    o = args.parse_args()
    import onnxruntime as ort
    lines, isa = print_rows(o, HEADER, lambda path, feeds: measure(o, str(path), feeds), markdown)
    text = f"Images a second; {cpu_name()}; qtool on {isa}; ONNX Runtime {ort.__version__}; median of {o.rounds} rounds.\n\n" + "\n".join(lines)
    if o.write:
        write_table(o.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
