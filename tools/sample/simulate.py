#!/usr/bin/env python3
"""Simulates 8-bit quantization of a sample model and measures what it costs.

    python simulate.py classifier ../../data/sample/classifier.onnx
    python simulate.py detector   ../../data/sample/detector.onnx

This is a second, independent opinion next to the quantizer of the project:
weights are replaced by their rounded values, activations get a
QuantizeLinear/DequantizeLinear pair, and ONNX Runtime computes in float.
"""
import argparse
import copy
import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import evaluate

# These only move values, so their output needs no rounding of its own.
MOVING = {"Reshape", "Transpose", "Split", "Slice", "MaxPool", "Resize", "Flatten", "Shape", "Gather", "Constant"}
WEIGHTED = {"Conv", "Gemm"}


def constants_to_initializers(g):
    for n in [n for n in g.node if n.op_type == "Constant"]:
        t = n.attribute[0].t
        t.name = n.output[0]
        g.initializer.append(t)
        g.node.remove(n)


def fold_batchnorm(g):
    init = {t.name: t for t in g.initializer}
    value = lambda name: numpy_helper.to_array(init[name])
    maker = {n.output[0]: n for n in g.node}
    for bn in [n for n in g.node if n.op_type == "BatchNormalization"]:
        conv = maker[bn.input[0]]
        gamma, beta, mean, var = (value(k).astype(np.float64) for k in bn.input[1:5])
        eps = next((a.f for a in bn.attribute if a.name == "epsilon"), 1e-5)
        k = gamma / np.sqrt(var + eps)
        w = value(conv.input[1]) * k.reshape(-1, 1, 1, 1)
        b = value(conv.input[2]) if len(conv.input) > 2 else 0.0
        b = beta + (b - mean) * k
        init[conv.input[1]].CopyFrom(numpy_helper.from_array(w.astype(np.float32), conv.input[1]))
        bias = conv.output[0] + "_bias"
        g.initializer.append(numpy_helper.from_array(b.astype(np.float32), bias))
        del conv.input[2:]
        conv.input.append(bias)
        conv.output[0] = bn.output[0]
        g.node.remove(bn)


def prepare(path):
    m = onnx.load(path)
    constants_to_initializers(m.graph)
    fold_batchnorm(m.graph)
    for i, n in enumerate(m.graph.node):
        n.name = n.name or "n%d" % i
    return m


def run_session(model):
    so = ort.SessionOptions()
    so.intra_op_num_threads = 1
    # Fusions could swap float arithmetic for integer kernels with other rounding.
    so.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    so.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), so, providers=["CPUExecutionProvider"])


def observe(model, inputs):
    """Smallest and largest value of every activation over the calibration inputs."""
    m = copy.deepcopy(model)
    names = [n.output[0] for n in m.graph.node if n.op_type not in ("Shape", "Gather")]
    del m.graph.output[:]
    m.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    s = run_session(m)
    inp = m.graph.input[0].name
    lo, hi = {}, {}
    for x in inputs:
        for k, v in [(inp, x)] + list(zip(names, s.run(None, {inp: x}))):
            lo[k] = min(lo.get(k, 0.0), float(v.min()))
            hi[k] = max(hi.get(k, 0.0), float(v.max()))
    return {k: (lo[k], hi[k]) for k in lo}


def round_u8(x, lo, hi):
    scale = max((hi - lo) / 255, 1e-12)
    zero = np.round(-lo / scale)
    return ((np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale).astype(np.float32)


def round_weight(w, per_channel):
    if not per_channel:
        return round_u8(w, min(0.0, w.min()), max(0.0, w.max()))
    scale = np.maximum(np.abs(w.reshape(len(w), -1)).max(1) / 127, 1e-12).reshape((-1,) + (1,) * (w.ndim - 1))
    return (np.clip(np.round(w / scale), -127, 127) * scale).astype(np.float32)


def quantize(model, ranges, per_channel, bias_bits, float_nodes=(), weights=True, activations=True):
    m = copy.deepcopy(model)
    g = m.graph
    init = {t.name: t for t in g.initializer}
    users = {}
    for n in g.node:
        for k in n.input:
            users.setdefault(k, []).append(n)
    if weights:
        for n in g.node:
            if n.op_type not in WEIGHTED or n.name in float_nodes:
                continue
            w = numpy_helper.to_array(init[n.input[1]])
            init[n.input[1]].CopyFrom(numpy_helper.from_array(round_weight(w, per_channel), n.input[1]))
            # A 32-bit bias is exact at this precision, so only the 8-bit one is rounded.
            if bias_bits == 8 and len(n.input) > 2:
                b = numpy_helper.to_array(init[n.input[2]])
                init[n.input[2]].CopyFrom(numpy_helper.from_array(
                    round_u8(b, min(0.0, float(b.min())), max(0.0, float(b.max()))), n.input[2]))
    if not activations:
        return m
    fused = lambda n: n.op_type == "Conv" and all(u.op_type in ("Clip", "Relu") for u in users.get(n.output[0], []))
    targets = [g.input[0].name] + [n.output[0] for n in g.node
                                   if n.op_type not in MOVING and n.name not in float_nodes and not fused(n)]
    outputs = {o.name for o in g.output}
    for t in targets:
        lo, hi = ranges[t]
        scale = max((hi - lo) / 255, 1e-12)
        zero = int(np.clip(np.round(-lo / scale), 0, 255))
        g.initializer.append(numpy_helper.from_array(np.float32(scale), t + "_s"))
        g.initializer.append(numpy_helper.from_array(np.uint8(zero), t + "_z"))
        src, dst = t, t + "_dq"
        if t in outputs:  # the graph output must keep its name
            src, dst = t + "_raw", t
            for n in g.node:
                n.output[:] = [src if k == t else k for k in n.output]
        else:
            for n in users.get(t, []):
                n.input[:] = [dst if k == t else k for k in n.input]
        g.node.append(helper.make_node("QuantizeLinear", [src, t + "_s", t + "_z"], [t + "_q"]))
        g.node.append(helper.make_node("DequantizeLinear", [t + "_q", t + "_s", t + "_z"], [dst]))
    return m


def sort_nodes(m):
    g = m.graph
    known = {t.name for t in g.initializer} | {i.name for i in g.input} | {""}
    left, done = list(g.node), []
    while left:
        ready = [n for n in left if all(k in known for k in n.input)]
        for n in ready:
            known.update(n.output)
        done += ready
        left = [n for n in left if not any(n is r for r in ready)]
    del g.node[:]
    g.node.extend(done)
    return m


def decode_tail(model):
    """Names of the nodes behind the last Concat of the raw head: DFL, box arithmetic, final Concat."""
    nodes = list(model.graph.node)
    soft = next(i for i, n in enumerate(nodes) if n.op_type == "Softmax")
    first = max(i for i in range(soft) if nodes[i].op_type == "Concat")
    return [n.name for n in nodes[first + 1:]]


def channel_spread(model):
    """Ratio of the largest to the median channel range of each weight."""
    init = {t.name: t for t in model.graph.initializer}
    rows = []
    for n in model.graph.node:
        if n.op_type == "Conv":
            w = numpy_helper.to_array(init[n.input[1]])
            r = np.abs(w.reshape(len(w), -1)).max(1)
            group = next((a.i for a in n.attribute if a.name == "group"), 1)
            rows.append((n.name, group > 1, float(r.max() / np.median(r))))
    return rows


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("task", choices=("classifier", "detector"))
    ap.add_argument("model")
    ap.add_argument("--data", default=evaluate.DATA)
    ap.add_argument("--parts", action="store_true", help="also measure weights and activations by themselves")
    a = ap.parse_args()
    model = prepare(a.model)
    files = evaluate.image_files(os.path.join(a.data, "calib", a.task))
    if a.task == "classifier":
        calib = [evaluate.classifier_input(evaluate.load(f)) for f in files]
    else:
        size = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
        calib = [evaluate.detector_input(evaluate.load(f), size)[0] for f in files]
    ranges = observe(model, calib)
    variants = [("FP32", None),
                ("vanilla: per-tensor u8, 8-bit bias", dict(per_channel=False, bias_bits=8)),
                ("per-tensor u8, 32-bit bias", dict(per_channel=False, bias_bits=32)),
                ("per-channel s8, 32-bit bias", dict(per_channel=True, bias_bits=32))]
    if a.task == "detector":
        tail = decode_tail(model)
        variants += [("per-tensor u8, 8-bit bias, decode tail float", dict(per_channel=False, bias_bits=8, float_nodes=tail)),
                     ("per-channel s8, 32-bit bias, last Concat float",
                      dict(per_channel=True, bias_bits=32, float_nodes=tail[-1:])),
                     ("per-channel s8, 32-bit bias, decode tail float",
                      dict(per_channel=True, bias_bits=32, float_nodes=tail))]
        print("range of the final Concat: %.2f .. %.2f" % ranges[model.graph.output[0].name])
    else:
        print("depthwise channel range, largest / median: "
              + " ".join("%.1f" % r for _, dw, r in channel_spread(model) if dw))
    if a.parts:
        variants += [("only weights, per-tensor, 8-bit bias", dict(per_channel=False, bias_bits=8, activations=False)),
                     ("only weights, per-tensor, 32-bit bias", dict(per_channel=False, bias_bits=32, activations=False)),
                     ("only activations", dict(per_channel=False, bias_bits=32, weights=False))]
    for name, how in variants:
        m = model if how is None else sort_nodes(quantize(model, ranges, **how))
        s = run_session(m)
        inp = m.graph.input[0].name
        run = lambda x: s.run(None, {inp: x})[0]
        if a.task == "classifier":
            print("%-50s top-1 %.4f" % (name, evaluate.eval_classifier(run, a.data)), flush=True)
        else:
            print("%-50s mAP50 %.4f  mAP50-95 %.4f" % ((name,) + evaluate.eval_detector(run, a.data, size)), flush=True)


if __name__ == "__main__":
    main()
