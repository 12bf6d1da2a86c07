#!/usr/bin/env python3
"""run_dlc.py FILE.dlc --input X.npy [--expect Y.npz] [--soc N]: what does the backend compute?

Feeds a DLC with one graph input (codes are made from the float tensor X, ONNX order) to the backend and compares every
output with the tensors of Y.npz (as `qtool run --outputs Y.npz` writes them, with --encodings for a quantized DLC).
Differences are given in levels of the output's grid, or relative to the largest value for float outputs.

  QTOOL_DLC_DUMP      build/release/tests/judges/dlc_dump (default)
  QTOOL_JUDGE_RUNNER  command that executes a DLC: RUNNER FILE --run IN.raw --out PREFIX writes PREFIX.outN.raw

Needs numpy. Exit status: 0 executed (or skipped), 1 refused by the backend, 2 usage.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_DUMP = os.path.join(ROOT, 'build', 'release', 'tests', 'judges', 'dlc_dump')
STORAGE = {'ufixed8': 'u1', 'ufixed16': 'u2', 'float32': 'f4', 'float16': 'f2', 'int32': 'i4', 'uint32': 'u4', 'bool': 'u1'}


def grid(tensor):
    entries = tensor['encoding']['entries']
    return (entries[0]['scale'], entries[0]['offset']) if entries else None


def to_codes(values, tensor):
    if values.ndim == 4 and list(values.shape) != tensor['dims'] or tensor['dims'][1:3] == list(values.shape[2:4]):
        values = values.transpose(0, 2, 3, 1)
    assert list(values.shape) == tensor['dims'], (values.shape, tensor['dims'])
    dtype = np.dtype(STORAGE[tensor['dtype']])
    if grid(tensor) is None:
        return values.astype(dtype)
    scale, offset = grid(tensor)
    top = np.iinfo(dtype).max
    return np.clip(np.rint(values.astype(np.float32) / np.float32(scale)) - offset, 0, top).astype(dtype)


def report(tensor, raw, expected):
    found = raw.astype(np.float64)
    if grid(tensor) is not None:
        scale, offset = grid(tensor)
        found = (found + offset) * scale
    line = '%s %s %s' % (tensor['name'], tensor['dtype'], tensor['dims'])
    if expected is None:
        return line + ' range [%g, %g]' % (found.min(), found.max())
    expected = expected.astype(np.float64).reshape(found.shape)
    difference = np.abs(found - expected)
    if grid(tensor) is not None:
        levels = np.rint(difference / grid(tensor)[0])
        line += ': equal %.2f %%, within 1 %.2f %%, mean %.3f, largest %d levels' % (
            100 * (levels == 0).mean(), 100 * (levels <= 1).mean(), levels.mean(), levels.max())
    else:
        line += ': largest difference %.3g of %.3g' % (difference.max(), np.abs(expected).max())
    if found.ndim == 2:
        line += ', argmax %d / %d' % (found[0].argmax(), expected[0].argmax())
    return line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('dlc')
    parser.add_argument('--input', required=True)
    parser.add_argument('--expect')
    parser.add_argument('--soc', default='0')
    arguments = parser.parse_args()
    runner = os.environ.get('QTOOL_JUDGE_RUNNER')
    if not runner:
        print('skipped: QTOOL_JUDGE_RUNNER is not set, so nothing is executed')
        return 0
    dump = subprocess.run([os.environ.get('QTOOL_DLC_DUMP', DEFAULT_DUMP), arguments.dlc], capture_output=True, check=True)
    tensors = json.loads(dump.stdout)['graphs'][0]['tensors']
    source = [t for t in tensors if t['location'] == 0]
    outputs = [t for t in tensors if t['location'] == 1]
    assert len(source) == 1, 'one graph input expected'
    expected = np.load(arguments.expect) if arguments.expect else {}
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, 'r')
        to_codes(np.load(arguments.input), source[0]).tofile(prefix + '.raw')
        command = shlex.split(runner) + [arguments.dlc, '--run', prefix + '.raw', '--out', prefix, '--soc', arguments.soc]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print('%s: refused, exit status %d\n%s' % (os.path.basename(arguments.dlc), done.returncode, done.stderr[-1500:]))
            return 1
        timing = [line for line in done.stderr.splitlines() if 'graphExecute' in line or 'Finalize' in line]
        print('%s: executed; %s' % (os.path.basename(arguments.dlc), '; '.join(timing)))
        for i, tensor in enumerate(outputs):
            raw = np.fromfile('%s.out%d.raw' % (prefix, i), STORAGE[tensor['dtype']]).reshape(tensor['dims'])
            print('    ' + report(tensor, raw, expected[tensor['name']] if tensor['name'] in expected else None))
    return 0


if __name__ == '__main__':
    sys.exit(main())
