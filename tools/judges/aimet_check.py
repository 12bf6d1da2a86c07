#!/usr/bin/env python3
"""AIMET reads an encodings file that qtool wrote, version 0.6.1, 1.0.0 or 2.x; the scales in its QDQ model must be ours.

    python3 tools/judges/aimet_check.py model.onnx out/model.encodings.json [input.npz run_output.npz]

With an input and the output of `qtool run --encodings`, the QDQ model's output is compared too. Needs aimet-onnx and
onnxruntime; says so and exits 77 where they are absent.
"""
import json
import sys

import numpy as np

try:
    import onnx
    import onnxruntime
    from aimet_onnx import quantsim
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def scales_of_file(encodings):
    """Tensor name -> scales, whatever the version; float entries are left out."""
    if "encodings" in encodings:
        return {e["name"]: np.ravel(e["y_scale"]) for e in encodings["encodings"] if not isinstance(e.get("y_scale"), (dict, type(None)))}
    found = {}
    for section in ("activation_encodings", "param_encodings"):
        entries = encodings[section]
        if isinstance(entries, dict):
            found.update({n: np.array([e["scale"] for e in l]) for n, l in entries.items() if l[0]["dtype"] == "int"})
        else:
            found.update({e["name"]: np.array(e["scale"]) for e in entries if e["dtype"] == "INT" and e["enc_type"] != "LPBQ"})
    return found


def scales_of_qdq(qdq):
    values = {i.name: onnx.numpy_helper.to_array(i) for i in qdq.graph.initializer}
    values.update({n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in qdq.graph.node
                   if n.op_type == "Constant" and n.attribute[0].HasField("t")})
    scales = {n.input[0]: values[n.input[1]] for n in qdq.graph.node if n.op_type == "QuantizeLinear"}
    for node in qdq.graph.node:  # constants stored as integers: <name>_q
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("_q") and node.input[1] in values:
            scales.setdefault(node.input[0][:-2], values[node.input[1]])
    return scales


def main():
    model, encodings = onnx.load(sys.argv[1]), json.load(open(sys.argv[2]))
    names = {i.name for i in model.graph.initializer} | {v for n in model.graph.node for v in n.output} | {i.name for i in model.graph.input}
    wanted = scales_of_file(encodings)
    qdq = quantsim.encodings_to_onnx_qdq(model, encodings, prequantize_constants=False)
    scales = scales_of_qdq(qdq)
    compared = worst = missing = 0
    for name, want in wanted.items():
        got = scales.get(name)
        if got is None:
            got = scales.get(name + "_orig")
        if got is None:
            got = next((v for k, v in scales.items() if k.startswith(name + "_")), None)
        if got is None:
            missing += 1
            continue
        worst = max(worst, float(np.abs(np.ravel(got) - want).max() / want.max()))
        compared += 1
    print(json.dumps(dict(version=encodings.get("version"), entries=len(wanted), compared=compared, not_found=missing,
                          unknown_names=sum(n not in names for n in wanted), worst_relative_scale_difference=worst)))
    if len(sys.argv) > 4:
        feeds, ours = dict(np.load(sys.argv[3])), np.load(sys.argv[4])
        options = onnxruntime.SessionOptions()  # as written: no integer kernels of its own
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(qdq.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, feeds)
        for info, got in zip(session.get_outputs(), outputs):
            want = ours[info.name.removesuffix("_qdq")] if info.name.removesuffix("_qdq") in ours.files else ours[ours.files[0]]
            step = float(wanted.get(ours.files[0], [1.0])[0])
            print(json.dumps(dict(output=info.name, max_levels=float(np.abs(got - want).max() / step), same_argmax=bool(got.argmax() == want.argmax()))))
    return 0 if compared and worst < 1e-6 and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
