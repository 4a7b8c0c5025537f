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


def mean_and_error(values):
    """A cell: the mean over seeds and its standard error."""
    mean = f'{np.mean(values):.1f}'
    if len(values) < 2:
        return mean
    return f'{mean} ± {np.std(values, ddof=1) / len(values) ** 0.5:.1f}'


def main(work):
    """Print study.sh's results as a Markdown table."""
    print(
        '| weights | mode | seeds | 50 % (px) | less nearest (px) '
        '| 99 % (px) | ERF size (px) |'
    )
    print('| --- | --- | ---: | ---: | ---: | ---: | ---: |')
    for weights, pattern in (
        ('random', 'initial_{seed}/*={mode}/erf.json'),
        ('trained', '{mode}_{seed}/erf/erf.json'),
    ):
        sides = {}
        for mode in MODES:
            found = {
                seed: numbers(path)
                for seed in range(100)
                for path in work.glob(pattern.format(mode=mode, seed=seed))
            }
            runs = {seed: run for seed, run in found.items() if run}
            if not runs:
                continue
            half, most, size = zip(*runs.values(), strict=True)
            sides[mode] = dict(zip(runs, half, strict=True))
            cells = [mean_and_error(values) for values in (half, most, size)]
            less = [
                side - sides['nearest'][seed]
                for seed, side in sides[mode].items()
                if seed in sides.get('nearest', {})
            ]
            cells.insert(1, mean_and_error(less) if less else '-')
            print(
                f'| {weights} | {mode} | {len(runs)} | {" | ".join(cells)} |'
            )


if __name__ == '__main__':
    main(Path(sys.argv[1]))
