#!/usr/bin/env python3
"""Grouped and depthwise convolutions, layer by layer, against ONNX Runtime on one thread.

Each case is a stack of four Conv + Relu of the same kind (one where the shape changes), made here with random weights. For
qtool the shortest times of the steps are added up (`qtool bench --profile`), the turn of the input into channel blocks
included; for ONNX Runtime it is the shortest run. Shortest times, because these are microseconds on shared machines.

    python3 tests/bench/grouped.py [--before OLD_QTOOL] [--only PATTERN,PATTERN] [--write docs/performance.md]

Needs: numpy, onnx, onnxruntime; forward.py beside this file.
"""
import argparse
import fnmatch
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import forward

BEGIN, END = "<!-- grouped: begin -->", "<!-- grouped: end -->"


def case(name, channels, size, kernel, *, groups, out=None, stride=1, dilation=1, axes=2):
    kernel = [kernel] * axes if isinstance(kernel, int) else list(kernel)
    return {"name": name, "channels": channels, "out": out or channels, "groups": groups, "kernel": kernel,
            "sizes": [size] * axes, "stride": stride, "dilation": dilation}


def cases():
    for width, shapes in ((2, ((96, 56), (384, 14))), (4, ((128, 56), (192, 28))), (8, ((96, 56), (256, 28), (384, 14))),
                          (16, ((96, 56), (192, 28), (512, 14))), (24, ((96, 56), (192, 28), (384, 14)))):
        for channels, size in shapes:
            yield case(f"3x3, {width} a group, {channels} at {size}", channels, size, 3, groups=channels // width)
        yield case(f"3x3 stride 2, {width} a group, 192 at 56", 192, 56, 3, groups=192 // width, stride=2)
    yield case("3x3, 6 a group, 90 at 28", 90, 28, 3, groups=15)
    yield case("3x3 dilated by 2, 8 a group, 192 at 28", 192, 28, 3, groups=24, dilation=2)
    for groups, channels, size in ((3, 240, 28), (4, 272, 28), (8, 384, 14), (2, 200, 28)):
        yield case(f"1x1, {groups} groups, {channels} at {size}", channels, size, 1, groups=groups)
    for kernel in (3, 5, 7):
        for channels, size in ((32, 112), (96, 56), (192, 28), (384, 14), (960, 7)):
            yield case(f"depthwise {kernel}x{kernel}, {channels} at {size}", channels, size, kernel, groups=channels)
        yield case(f"depthwise {kernel}x{kernel} stride 2, 96 at 56", 96, 56, kernel, groups=96, stride=2)
    yield case("depthwise 3x3 dilated by 2, 192 at 28", 192, 28, 3, groups=192, dilation=2)
    yield case("depthwise 3x3, 96 to 192 at 28", 96, 28, 3, groups=96, out=192)
    yield case("depthwise 5x5 stride 2, 96 to 192 at 56", 96, 56, 5, groups=96, out=192, stride=2)
    for kernel in (3, 9, 31):
        yield case(f"1-D depthwise {kernel}, 256 at 400", 256, 400, kernel, groups=256, axes=1)
    yield case("1-D 5, 8 a group, 256 at 400", 256, 400, 5, groups=32, axes=1)
    yield case("3-D depthwise 3x3x3, 64 at 16", 64, 16, 3, groups=64, axes=3)
    yield case("3-D 3x3x3, 8 a group, 64 at 16", 64, 16, 3, groups=8, axes=3)


def make_model(c, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    axes = len(c["kernel"])
    depth = 4 if c["stride"] == 1 and c["out"] == c["channels"] else 1
    nodes, constants, value = [], [], "x"
    for i in range(depth):
        weight = rng.standard_normal([c["out"], c["channels"] // c["groups"], *c["kernel"]]).astype(np.float32)
        constants += [numpy_helper.from_array(weight / np.float32(np.sqrt(weight[0].size)), f"w{i}"),
                      numpy_helper.from_array(rng.standard_normal(c["out"]).astype(np.float32), f"b{i}")]
        pads = [(k - 1) * c["dilation"] // 2 for k in c["kernel"]]
        nodes += [helper.make_node("Conv", [value, f"w{i}", f"b{i}"], [f"c{i}"], group=c["groups"], pads=pads * 2,
                                   strides=[c["stride"]] * axes, dilations=[c["dilation"]] * axes),
                  helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
        value = f"r{i}"
    graph = helper.make_graph(nodes, "layers", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, c["channels"], *c["sizes"]])],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


def ours_ms(qtool, path):
    done = subprocess.run([qtool, "bench", path, "--threads", "1", "--seconds", "0.05", "--profile", "--json", "-q"], check=True,
                          stdout=subprocess.PIPE)
    return sum(step["ms"] for step in json.loads(done.stdout)["steps_ms"])


def peer_ms(session, feeds, seconds):
    shortest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feeds)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest * 1e3


def measure(o, c, folder):
    path = str(folder / "layers.onnx")
    make_model(c, path)
    session = forward.session(path, 1)
    feeds = {"x": np.random.default_rng(1).standard_normal([1, c["channels"], *c["sizes"]]).astype(np.float32)}
    binaries = [o.qtool] + ([o.before] if o.before else [])
    seen = {name: [] for name in ["peer", *binaries]}
    for _ in range(o.rounds):
        seen["peer"].append(peer_ms(session, feeds, 0.15))
        for binary in binaries:
            seen[binary].append(ours_ms(binary, path))
    return [min(seen[name]) for name in ["peer", *binaries]]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--qtool", default="build/release/qtool")
    args.add_argument("--before", help="another qtool, for comparison")
    args.add_argument("--only", default="*", help="patterns of case names, comma separated")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--write", help="Markdown file whose table is replaced")
    o = args.parse_args()
    import onnxruntime as ort

    lines = ["| layer | qtool ms | ORT ms | ratio |" + (" ratio before |" if o.before else ""), "|---|---|---|---|" + ("---|" if o.before else "")]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for c in cases():
            if not any(fnmatch.fnmatch(c["name"], pattern) for pattern in o.only.split(",")):
                continue
            peer, now, *before = measure(o, c, pathlib.Path(folder))
            lines.append(f"| {c['name']} | {now:.3f} | {peer:.3f} | **{peer / now:.2f}** |" + "".join(f" {peer / b:.2f} |" for b in before))
            print(lines[-1], flush=True)
    if o.write:
        text = f"{forward.cpu_name()}; ONNX Runtime {ort.__version__}; one thread; shortest of {o.rounds} rounds.\n\n" + "\n".join(lines)
        forward.write_table(o.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
