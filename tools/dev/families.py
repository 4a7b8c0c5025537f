"""Measure one config of every family of mmseg.

    python tools/dev/families.py IMG_DIR > families.md

prints the README's table: one config per family, random weights, one
photograph, at the smallest input size that the family runs at.
"""

import contextlib
import io
import logging
import sys
import time
import warnings
from pathlib import Path

from mmerf.apis import run_erf
from mmerf.apis.config.config_file import load_config
from mmerf.apis.config.find_config import mmseg_configs
from mmerf.apis.config.pretrained import without_fetched
from mmerf.core.errors import ERFError

SIZES = ((128, 128), (512, 512), (640, 640))


def configs():
    """Family to one of its configs: small, for plain photographs."""
    found = {}
    for folder in sorted(mmseg_configs().glob('[!_]*')):
        files = [f for f in folder.glob('*.py') if 'levir' not in f.name]
        usual = [f for f in files if '4x' in f.name or '8x' in f.name]
        small = sorted(
            usual or files,
            key=lambda f: ('r50' not in f.name and 't' not in f.name,
                           len(f.name), f.name),
        )  # fmt: skip
        if small:
            found[folder.name] = f'mmseg::{folder.name}/{small[0].name}'
    return found


def try_family(config, img_dir):
    """(input size, results) of the first size that runs, else the error."""
    error = None
    for size in SIZES:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                cfg = load_config(config)
                cfg.model, _ = without_fetched(cfg.model, files=False)
                run = run_erf(
                    cfg,
                    img_dir=img_dir,
                    num_images=1,
                    input_size=size,
                    theory=False,
                )
        except ERFError as failure:
            error = failure
            if 'needs' in str(failure):
                break
        else:
            return size, run.results
    return None, error


def main():
    """Print the table."""
    warnings.filterwarnings('ignore')
    logging.disable(logging.WARNING)
    print('| family | config | runs at | layers, sides at 50 % (px) |')
    print('| --- | --- | --- | --- |')
    runs = 0
    for family, config in configs().items():
        began = time.time()
        size, found = try_family(config, sys.argv[1])
        name = Path(config).stem
        if size is None:
            print(f'| {family} | {name} | - | {found} |', flush=True)
            continue
        runs += 1
        sides = []
        for key, result in found.items():
            squares = result.statistics()['centred_square']
            side = 'zero' if squares is None else squares['0.5']['side']
            known = '' if result.pixel_known else '?'
            sides.append(f'{key} {side}{known}')
        seconds = time.time() - began
        print(
            f'| {family} | {name} | {size[0]} x {size[1]} | '
            f'{", ".join(sides)} |',
            flush=True,
        )
        print(f'{family}: {seconds:.1f} s', file=sys.stderr, flush=True)
    print(f'\n{runs} families run.')


if __name__ == '__main__':
    main()
