"""Measure thousands of random nets, and compare with plain autograd.

Prints every net for which a map, a unit's pixel or a theoretical field is
wrong, or that crashed, with the line that makes it again; at the end counts.
Exit status 1 if there is any such net. Needs tests/ on PYTHONPATH:

    PYTHONPATH=.:tests python tools/dev/fuzz_nets.py --nets 300 --seed 1
"""

import argparse
import re
import sys
import time
import warnings
from collections import Counter
from multiprocessing import get_context

APART = 100_000  # first nets of two seeds


def check(seed):
    """A net's record, or the generator's own failure as text."""
    import torch
    from helpers.random_nets import check_net

    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    try:
        return check_net(seed)
    except Exception as error:
        return f'net {seed}: {type(error).__name__}: {error}'


def add_to(counts, record):
    """Count what was found for a net."""
    counts['nets'] += 1
    for layer in record.layers:
        counts['layers'] += 1
        counts['layers in windows'] += layer.window
        counts['layers in part'] += layer.in_part
        if layer.one_by_one:
            counts[f'one by one: {layer.one_by_one[:60]}'] += 1
        for part in ('map', 'pixel', 'theory', 'trace'):
            counts[f'{part} {getattr(layer, part)}'] += 1
        if layer.map == 'refused':
            reason = re.sub(r'\d+', 'N', layer.details[0])
            reason = re.sub(r'blocks\.N\S*', 'LAYER', reason)
            counts[reason[:100]] += 1


def show(record):
    """What is wrong with a net, at once."""
    print(f'{", ".join(dict.fromkeys(record.failed))}\n{record}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--nets', type=int, default=3000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=1)
    args = parser.parse_args()
    begin, counts, failed = time.perf_counter(), Counter(), []
    first = args.seed * APART
    seeds = range(first, first + args.nets)
    with get_context('spawn').Pool(args.jobs, maxtasksperchild=200) as pool:
        for record in pool.imap(check, seeds):
            if isinstance(record, str):
                print(record)
                failed.append(record)
                continue
            add_to(counts, record)
            if record.failed:
                failed.append(record)
                show(record)
    print()
    for name, count in counts.items():
        print(f'{count:6d} {name}')
    print(f'{len(failed):6d} nets failed')
    print(f'{time.perf_counter() - begin:6.0f} seconds')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
