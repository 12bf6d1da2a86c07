#!/usr/bin/env python3
"""AIMET reads an encodings file that qtool wrote; the scales and zero points in its QDQ model must be ours.

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


def main():
    model, encodings = onnx.load(sys.argv[1]), json.load(open(sys.argv[2]))
    names = {i.name for i in model.graph.initializer} | {v for n in model.graph.node for v in n.output} | {i.name for i in model.graph.input}
    constants = {n.output[0] for n in model.graph.node if n.op_type == "Constant"}
    qdq = quantsim.encodings_to_onnx_qdq(model, encodings, prequantize_constants=False)
    values = {i.name: onnx.numpy_helper.to_array(i) for i in qdq.graph.initializer}
    values.update({n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in qdq.graph.node if n.op_type == "Constant" and n.attribute[0].HasField("t")})
    scales = {n.input[0]: (values[n.input[1]], values[n.input[2]] if len(n.input) > 2 and n.input[2] else None)
              for n in qdq.graph.node if n.op_type == "QuantizeLinear"}
    compared = worst = missing = 0
    for section in ("activation_encodings", "param_encodings"):
        for name, entries in encodings[section].items():
            got = scales.get(name) or scales.get(name + "_orig") or next((v for k, v in scales.items() if k.startswith(name + "_")), None)
            if got is None:
                missing += 1
                continue
            want = np.array([e["scale"] for e in entries], np.float64)
            worst = max(worst, float(np.abs(np.ravel(got[0]) - want).max() / want.max()))
            compared += 1
    print(json.dumps(dict(entries=sum(len(encodings[s]) for s in ("activation_encodings", "param_encodings")), compared=compared,
                          not_found=missing, unknown_names=sum(n not in names and n not in constants for s in ("activation_encodings", "param_encodings") for n in encodings[s]),
                          worst_relative_scale_difference=worst)))
    if len(sys.argv) > 4:
        feeds, ours = dict(np.load(sys.argv[3])), np.load(sys.argv[4])
        options = onnxruntime.SessionOptions()  # as written: no integer kernels of its own
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(qdq.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, feeds)
        for info, got in zip(session.get_outputs(), outputs):
            want = ours[info.name.removesuffix("_qdq")] if info.name.removesuffix("_qdq") in ours.files else ours[ours.files[0]]
            step = encodings["activation_encodings"].get(ours.files[0], [{"scale": 1}])[0]["scale"]
            print(json.dumps(dict(output=info.name, max_levels=float(np.abs(got - want).max() / step), same_argmax=bool(got.argmax() == want.argmax()))))
    return 0 if compared and worst < 1e-6 and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
