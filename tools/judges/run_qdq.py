#!/usr/bin/env python3
"""run_qdq.py FILE.qdq.onnx FILE.dlc [--soc N] [--images N]: do QDQ and DLC of one model give equal codes?

Runs the QDQ model with ONNX Runtime's QNN provider (HTP emulation) and the DLC with the backend itself, on the same
random inputs, and compares the codes of every output. Node counts by provider are printed, because the provider falls
back to the CPU silently.

  QTOOL_DLC_DUMP      build/release/tests/judges/dlc_dump (default)
  QTOOL_JUDGE_RUNNER  command that executes a DLC: RUNNER FILE --run IN.raw --out PREFIX writes PREFIX.outN.raw

Needs numpy, onnxruntime and onnxruntime-qnn; says so and exits 77 where they are absent. Exit status: 0 equal, 1 not.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import numpy as np

from run_dlc import DEFAULT_DUMP, STORAGE, grid, to_codes

try:
    import onnxruntime
    import onnxruntime_qnn
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def session(model, soc):
    onnxruntime.register_execution_provider_library("QNNExecutionProvider", onnxruntime_qnn.get_library_path())
    device = next(d for d in onnxruntime.get_ep_devices() if d.ep_name == "QNNExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    settings = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "offload_graph_io_quantization": "1"}
    if soc != "0":
        settings.update(soc_model=soc, htp_arch="75")
    options.add_provider_for_devices([device], settings)
    made = onnxruntime.InferenceSession(model, options)
    nodes = {}
    for part in made.get_provider_graph_assignment_info():
        nodes[part.ep_name] = nodes.get(part.ep_name, 0) + len(part.get_nodes())
    print("nodes per provider:", nodes)
    return made if nodes.get("QNNExecutionProvider") else None


def execute_dlc(runner, dlc, codes, outputs, soc, folder):
    prefix = os.path.join(folder, "r")
    codes.tofile(prefix + ".raw")
    command = shlex.split(runner) + [dlc, "--run", prefix + ".raw", "--out", prefix, "--soc", soc]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the backend refuses the DLC\n{done.stderr[-1500:]}")
    return [np.fromfile(f"{prefix}.out{i}.raw", STORAGE[t["dtype"]]).reshape(t["dims"]) for i, t in enumerate(outputs)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("qdq")
    parser.add_argument("dlc")
    parser.add_argument("--soc", default="0")
    parser.add_argument("--images", type=int, default=4)
    o = parser.parse_args()
    runner = os.environ.get("QTOOL_JUDGE_RUNNER")
    if not runner:
        print("skipped: QTOOL_JUDGE_RUNNER is not set, so nothing is executed")
        return 77
    dump = subprocess.run([os.environ.get("QTOOL_DLC_DUMP", DEFAULT_DUMP), o.dlc], capture_output=True, check=True)
    tensors = {t["name"]: t for t in json.loads(dump.stdout)["graphs"][0]["tensors"]}
    source, outputs = [[t for t in tensors.values() if t["location"] == where] for where in (0, 1)]
    provider = session(o.qdq, o.soc)
    if provider is None:
        print("nothing runs on the QNN provider")
        return 1
    random, equal, count = np.random.default_rng(0), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(o.images):
            feed = provider.get_inputs()[0]
            x = random.standard_normal(feed.shape).astype(np.float32)
            theirs = dict(zip([y.name for y in provider.get_outputs()], provider.run(None, {feed.name: x})))
            for tensor, found in zip(outputs, execute_dlc(runner, o.dlc, to_codes(x, source[0]), outputs, o.soc, folder)):
                scale, offset = grid(tensor)
                codes = np.rint(theirs[tensor["name"]] / np.float32(scale)) - offset
                equal += int((codes.ravel() == found.ravel()).sum())
                count += found.size
    print(f"{os.path.basename(o.qdq)}: {equal} of {count} codes equal")
    return 0 if equal == count else 1


if __name__ == "__main__":
    sys.exit(main())
