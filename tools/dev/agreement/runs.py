"""Each model in a process of its own; results in a JSON-lines file.

A run that was stopped goes on where it was. A model that takes too long or
too much memory ends alone.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from plain import default_dtype, difference

TOLERANCE = 1e-4  # of the peak
OWN_DISTANCES = 3  # so many times float32's own distance from float64
LOOSE = 1e-3  # of the peak: above it, float32 decides nothing
EXACT = 1e-9  # of the peak, where everything is computed in float64


def arguments(description, out):
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('names', nargs='*', help='only these; default: all')
    parser.add_argument('--out', type=Path, default=Path(out))
    parser.add_argument(
        '--again', action='store_true', help='also what is done already'
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, print the table'
    )
    parser.add_argument('--seconds', type=float, default=300)
    parser.add_argument('--gib', type=float, default=9)
    parser.add_argument('--child', help=argparse.SUPPRESS)
    return parser.parse_args()


def run_all(args, names, measure, table):
    """Measure what is not yet done, and print the table of everything.

    Args:
        args (Namespace): Of ``arguments``.
        names (iterable of str): All models.
        measure (callable): ``measure(name)`` gives a record, a dict with
            ``rows``; called in a process of its own.
        table (callable): ``table(records)`` prints them.
    """
    if args.child:
        print('\n' + json.dumps(one_record(args.child, measure)))
        return
    unknown = set(args.names) - set(names)
    if unknown:
        sys.exit(f'unknown: {", ".join(sorted(unknown))}')
    chosen = args.names or list(names)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name in [] if args.table else chosen:
        if name in load(args.out) and not args.again:
            continue
        record = in_child(name, args)
        with args.out.open('a') as file:
            file.write(json.dumps(record) + '\n')
        print(one_line(record), file=sys.stderr, flush=True)
    records = load(args.out)
    table([records[name] for name in chosen if name in records])


def load(path):
    """Records by name; a later one replaces an earlier one."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    return {record['name']: record for record in map(json.loads, lines)}


def one_record(name, measure):
    began = time.time()
    try:
        record = measure(name)
    except Exception as error:  # of the model, of mmerf, or of the scripts
        traceback.print_exc()
        record = {'rows': [], 'error': describe(error)}
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        'name': name,
        'error': None,
        **record,
        'seconds': round(time.time() - began, 1),
        'gib': round(kilobytes / 2**20, 2),
    }


def in_child(name, args):
    """The record of a child process, or why there is none."""
    command = [sys.executable, '-W', 'ignore', sys.argv[0], '--child', name]
    began = time.time()
    with tempfile.TemporaryFile('w+') as output:
        child = subprocess.Popen(command, stdout=output)
        try:
            error = watch_child(child, began, args)
        finally:
            child.kill()
            child.wait()
        output.seek(0)
        lines = output.read().strip().splitlines()
    if error is None and child.returncode == 0 and lines:
        return json.loads(lines[-1])
    return {
        'name': name,
        'rows': [],
        'error': error or f'exit status {child.returncode}',
        'seconds': round(time.time() - began, 1),
        'gib': None,
    }


def watch_child(child, began, args):
    """Wait for a child; why it had to be stopped, if it had to."""
    while child.poll() is None:
        if time.time() - began > args.seconds:
            return f'stopped after {args.seconds:.0f} s'
        if resident_gib(child.pid) > args.gib:
            return f'stopped at {args.gib:g} GiB'
        time.sleep(0.3)
    return None


def resident_gib(pid):
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:  # it has just ended
        return 0
    for line in status.splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 2**20
    return 0


def describe(error, length=300):
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}'[:length]


def verdict(found, own):
    """Whether a difference is float32's own."""
    limit = max(TOLERANCE, OWN_DISTANCES * own)
    return 'agree' if found <= limit else 'WRONG'


def one_line(record):
    counts = {}
    for row in record['rows']:
        counts[row['verdict']] = counts.get(row['verdict'], 0) + 1
    text = ', '.join(f'{n} {v}' for v, n in counts.items())
    error = f' {record["error"]}' if record['error'] else ''
    return (
        f'{record["name"]}: {text}{error} '
        f'({record["seconds"]} s, {record["gib"]} GiB)'
    )


def compare(exact, single, measure, error_class):
    """What is recorded of one model's layers.

    A layer whose unit has no positive channel has a zero map; it is measured
    once more without the ReLU on its output. Where float32 differs by more
    than it may, or by much, mmerf measures once more in float64: ReLUs are
    switches, and one that is within rounding of zero moves a map by per
    cents.

    Args:
        exact (dict[str, PlainMap]): In float64, by layer key.
        single (dict[str, PlainMap]): In float32.
        measure (callable): ``measure(keys, relu, dtype)`` gives mmerf's
            results of the model in that precision.
        error_class (type): What mmerf raises on purpose.

    Returns:
        list of dict: One row per layer.
    """
    zero = [key for key, plain in exact.items() if plain.signed is not None]

    def measured(dtype):
        """All layers at once: the way they are run depends on all of them."""
        found = outcomes(
            list(exact), lambda k: measure(k, True, dtype), error_class
        )
        signed = outcomes(
            zero, lambda k: measure(k, False, dtype), error_class
        )
        return found, {**found, **signed}

    found, chosen = measured(torch.float32)
    rows = [
        row_of(key, plain, single[key], chosen[key])
        for key, plain in exact.items()
    ]
    if any(in_question(row) for row in rows):
        with default_dtype(torch.float64):
            _, again = measured(torch.float64)
        for row in rows:
            decide(row, exact[row['layer']], again[row['layer']])
    for row in rows:
        row['zero_in_both'] = None
        outcome = found[row['layer']]
        if row['layer'] in zero and not isinstance(outcome, str):
            row['zero_in_both'] = not outcome.map.any()
            if not row['zero_in_both']:
                row['verdict'] = 'WRONG'
    return rows


def in_question(row):
    return row['verdict'] == 'WRONG' or (row['difference'] or 0) > LOOSE


def decide(row, plain, again):
    """Whether a difference is float32's: ``again`` is of float64."""
    row['in_float64'] = again
    if isinstance(again, str):
        return
    row['in_float64'] = difference(again.map, map_of(plain))
    if in_question(row):
        if not row['in_float64'] <= EXACT:
            row['verdict'] = 'WRONG'
            return
        row['verdict'] = 'agree in float64'
        run_on = again.provenance.get('run_on')
        if run_on != row['run_on']:  # float32's way is still in question
            row['verdict'] = f'WRONG, but agrees in float64 on {run_on}'


def map_of(plain):
    """The map that is compared: without ReLU, where the score is zero."""
    return plain.map if plain.signed is None else plain.signed


def row_of(key, plain, single, outcome):
    """What is recorded of one layer; outcome is a result, or a reason."""
    expected, own = map_of(plain), map_of(single)
    row = {
        'layer': key,
        'shape': plain.shape,
        'own': difference(own, expected),
        'difference': None,
        'error': None,
    }
    if isinstance(outcome, str):
        return {**row, 'verdict': outcome.split(':')[0], 'error': outcome}
    found = difference(outcome.map, expected)
    return {
        **row,
        'verdict': verdict(found, row['own']),
        'difference': found,
        'unit': outcome.unit,
        'grid': outcome.grid,
        'unit_pixel': outcome.unit_pixel,
        'pixel_known': outcome.pixel_known,
        'run_on': outcome.provenance.get('run_on'),
    }


def outcomes(keys, measure, error_class):
    """mmerf's results by key; where it has none, the reason."""
    if not keys:
        return {}
    try:
        results = measure(keys)
    except Exception as error:
        kind = 'refused' if isinstance(error, error_class) else 'crashed'
        if len(keys) == 1:
            return {keys[0]: f'{kind}: {describe(error)}'}
        found = {}
        for key in keys:
            found.update(outcomes([key], measure, error_class))
        return found
    return {key: results.get(key, 'no result') for key in keys}


def number(value):
    return '-' if value is None else f'{value:.1e}'
