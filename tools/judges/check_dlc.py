#!/usr/bin/env python3
"""check_dlc.py FILE.dlc...: do other readers see in a DLC what qtool wrote?

Compares qtool's own listing (dlc_dump, built with the tests) with up to two foreign readers, each given as a command
that takes the file as its last argument and prints JSON:

  QTOOL_DLC_DUMP      build/release/tests/judges/dlc_dump (default)
  QTOOL_JUDGE_READER  Qualcomm's reader: ops, tensors with dims, dtype, encoding and a hash of static bytes
  QTOOL_JUDGE_NETRON  Netron's loader with its encodings

A reader that is not set is skipped with a message. Exit status: 0 all agree (or skipped), 1 a difference, 2 usage.
"""
import collections
import itertools
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_DUMP = os.path.join(ROOT, 'build', 'release', 'tests', 'judges', 'dlc_dump')
PER_TENSOR, PER_AXIS, NONE = (0, 2), (1, 3), 0x7fffffff


# The reader shows the generic type of ops that have one.
GENERIC_TYPES = {'ResizeNearestNeighbor': 'Resize', 'ResizeBilinear': 'Resize', 'PoolAvg2d': 'Pool', 'PoolMax2d': 'Pool', 'Argmax': 'Arg', 'Argmin': 'Arg', 'ReduceMean': 'Reduce',
                 'ReduceSum': 'Reduce', 'ReduceMax': 'Reduce', 'ReduceMin': 'Reduce'}


def run_json(command, path):
    done = subprocess.run(shlex.split(command) + [path], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError('exit status %d: %s' % (done.returncode, (done.stdout + done.stderr).strip()[-300:]))
    return json.loads(done.stdout)


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def encoding_difference(ours, theirs):
    """Our entry list against the reader's {'type', 'enc', 'axis'}."""
    entries = theirs.get('enc', [])
    entries = entries if isinstance(entries, list) else [entries]
    if ours['type'] == NONE:
        # The reader gives tensors without encoding a zero scale.
        return 'unexpected encoding' if any(e.get('scale', 0) not in (0, 1) for e in entries) else None
    if len(entries) != len(ours['entries']):
        return '%d entries, %d written' % (len(entries), len(ours['entries']))
    if ours['type'] in PER_AXIS and theirs.get('axis') != ours['axis']:
        return 'axis %s, %s written' % (theirs.get('axis'), ours['axis'])
    for mine, other in zip(ours['entries'], entries):
        if not close(mine['scale'], other['scale']) or mine['offset'] != other['offset']:
            return 'scale %r offset %r, written %r %r' % (other['scale'], other['offset'], mine['scale'], mine['offset'])
    return None


def compare_reader(ours, theirs):
    problems = []
    other = theirs['graphs'][0]
    for mine, op in itertools.zip_longest(ours['ops'], other['ops'], fillvalue={}):
        mine = dict(mine, type=GENERIC_TYPES.get(mine.get('type'), mine.get('type')))
        different = [key for key in ('name', 'type', 'inputs', 'outputs') if mine.get(key) != op.get(key)]
        if different:
            problems.append('op %s: other %s' % (mine.get('name'), ', '.join(different)))
    for location, key in ((0, 'inputs'), (1, 'outputs')):
        if sorted(t['name'] for t in ours['tensors'] if t['location'] == location) != sorted(other[key]):
            problems.append('graph %s differ: %s' % (key, other[key]))
    seen = {t['name']: t for t in other['tensors']}
    equal = collections.Counter()
    for tensor in ours['tensors']:
        found = seen.get(tensor['name'])
        if found is None:
            problems.append('tensor %s is not seen' % tensor['name'])
            continue
        if found['dims'] != tensor['dims']:
            problems.append('tensor %s: dims %s, %s written' % (tensor['name'], found['dims'], tensor['dims']))
        difference = encoding_difference(tensor['encoding'], found['encoding'])
        if difference:
            problems.append('tensor %s: %s' % (tensor['name'], difference))
        elif tensor['encoding']['type'] != NONE:
            equal['encodings'] += 1
        if 'sha16' in tensor:
            if found.get('static', {}).get('sha16') != tensor['sha16']:
                problems.append('tensor %s: other static bytes' % tensor['name'])
            else:
                equal['statics'] += 1
    return problems, '%d ops, %d tensors, %d statics, %d encodings' % (
        len(other['ops']), len(seen), equal['statics'], equal['encodings'])


def compare_netron(ours, theirs):
    problems = []
    mine = collections.Counter(o['type'] for o in ours['ops'])
    if mine != collections.Counter(theirs['graphs'][0]['nodeTypes']):
        problems.append('op types differ: %s' % theirs['graphs'][0]['nodeTypes'])
    seen = {v['name']: v for v in theirs['values']}
    listed = {e['name']: e for e in theirs['encodings']}
    statics = encodings = narrow = 0
    for tensor in ours['tensors']:
        name, found = tensor['name'], seen.get(tensor['name'])
        if found is None or found.get('shape') != tensor['dims']:
            problems.append('tensor %s: %s' % (name, 'not shown' if found is None else 'shape %s' % found.get('shape')))
            continue
        if 'sha16' in tensor:
            if found.get('initializer', {}).get('sha256') != tensor['sha16']:
                problems.append('tensor %s: other static bytes' % name)
            statics += 1
        if tensor['encoding']['type'] in (2, 3):
            narrow += 1  # the loader does not list the fields of these
        elif tensor['encoding']['type'] != NONE:
            shown = listed.get(name, {})
            entries = shown.get('encodings') or [shown.get('encoding', {})]
            if len(entries) != len(tensor['encoding']['entries']) or any(
                    not close(e.get('scale', 0), w['scale']) or e.get('offset', 0) != w['offset']
                    for e, w in zip(entries, tensor['encoding']['entries'])):
                problems.append('tensor %s: other encoding' % name)
            encodings += 1
    return problems, '%d nodes, %d values, %d statics, %d encodings%s' % (
        theirs['graphs'][0]['nodeCount'], len(seen), statics, encodings, ' (%d not listed)' % narrow if narrow else '')


def check(path, readers):
    ours = run_json(os.environ.get('QTOOL_DLC_DUMP', DEFAULT_DUMP), path)['graphs'][0]
    agree = True
    for name, command, compare in readers:
        try:
            problems, summary = compare(ours, run_json(command, path))
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            problems, summary = ['refused: %s' % error], ''
        agree = agree and not problems
        print('%s: %s: %s' % (os.path.basename(path), name, 'agrees, ' + summary if not problems else 'DIFFERS'))
        for problem in problems[:10]:
            print('    ' + problem)
    return agree


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    readers = []
    for name, variable, compare in (('reader', 'QTOOL_JUDGE_READER', compare_reader), ('netron', 'QTOOL_JUDGE_NETRON', compare_netron)):
        if os.environ.get(variable):
            readers.append((name, os.environ[variable], compare))
        else:
            print('skipped: %s is not set, so files are not compared with the %s' % (variable, name))
    return 0 if all([check(path, readers) for path in paths]) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
