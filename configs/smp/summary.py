"""The study's table: means over seeds, with their standard errors."""

import json
import sys
from pathlib import Path

import numpy as np

MODES = ('nearest', 'bilinear', 'bicubic', 'area')


def numbers(path):
    """Sides at 50 and 99 % and ERF size of the decode head, px.

    None where no logit was positive in any image: the map is zero.
    """
    layer = json.loads(path.read_text())['layers']['decode_head']
    found = layer['statistics']
    sides = found['centred_square']
    if sides is None:
        return None
    return [
        sides['0.5']['side'],
        sides['0.99']['side'],
        found['erf_size']['size'],
    ]


def main(work):
    """Print a Markdown table of what study.sh has measured."""
    print('| weights | mode | seeds | 50 % (px) | 99 % (px) | ERF size (px) |')
    print('| --- | --- | ---: | ---: | ---: | ---: |')
    for weights, pattern in (
        ('random', 'initial_*/*={}/erf.json'),
        ('trained', '{}_[0-9]*/erf/erf.json'),
    ):
        for mode in MODES:
            runs = [
                numbers(p) for p in sorted(work.glob(pattern.format(mode)))
            ]
            runs = [run for run in runs if run is not None]
            if not runs:
                continue
            mean = np.mean(runs, axis=0)
            cells = [f'{value:.1f}' for value in mean]
            if len(runs) > 1:
                error = np.std(runs, axis=0, ddof=1) / len(runs) ** 0.5
                cells = [
                    f'{m:.1f} ± {e:.1f}'
                    for m, e in zip(mean, error, strict=True)
                ]
            print(
                f'| {weights} | {mode} | {len(runs)} | {" | ".join(cells)} |'
            )


if __name__ == '__main__':
    main(Path(sys.argv[1]))
