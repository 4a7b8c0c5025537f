"""Theoretical fields by operations and by gradients, for mmseg's families.

    PYTHONPATH=. OMP_NUM_THREADS=1 python -W ignore \\
        tools/dev/theory_times.py [--family NAME ...] [--size 128]

prints a row per family: CPU seconds of one plain forward, of the fields by
operations, and of the same search where operations tell no pixel that moves a
unit, so that gradients have to; then every layer for which the two differ.
Models are those of tools/dev/agreement/mmseg_families.py.
"""

import argparse
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).parent / 'agreement'))
from mmseg_families import FAMILIES, build

from mmerf.core.errors import ERFError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.theory import axis_search
from mmerf.engine.batches.prepare_batch import prepare_tensor
from mmerf.engine.theory import add_theory

SIZES = (128, 512, 640)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--family', nargs='*', default=list(FAMILIES))
    parser.add_argument('--size', type=int, default=SIZES[0])
    parser.add_argument('--no-search', action='store_true')
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    print('| family | px | forward | operations | gradients | fields |')
    print('| --- | --- | --- | --- | --- | --- |')
    for family in args.family:
        try:
            print(row(family, args.size, not args.no_search), flush=True)
        except Exception as error:  # a model's own
            print(f'| {family} | {type(error).__name__}: {error} |')


def row(family, size, searched):
    """One family's row of the table."""
    measurement, images = measured(build(family), size)
    forward = prepare_tensor(measurement.model, images, measurement.layers)
    with torch.no_grad():
        times = [seconds(lambda: forward.forward(images, [0]))]
    times.append(seconds(lambda: add_theory(measurement)))
    told = answers(measurement)
    texts = ['{}: {}'.format(*item) for item in told.items()]
    if searched:
        with mock.patch.object(axis_search, 'bound_strip', without_moves):
            times.append(seconds(lambda: add_theory(measurement)))
        found = answers(measurement)
        texts = [
            f'{key}: {text}'
            + (f' (gradients: {found[key]})' if found[key] != text else '')
            for key, text in told.items()
        ]
    shown = ' | '.join(f'{taken:.1f}' for taken in times)
    return f'| {family} | {images.shape[2]} | {shown} | {"; ".join(texts)} |'


def measured(model, size):
    """A measurement of one random image at the first size that runs."""
    for side in dict.fromkeys([size, *SIZES]):
        images = torch.randn(1, 3, side, side)
        layers = ['backbone', 'decode_head']
        measurement = Measurement(model, MeasurementOptions(layers))
        batch = prepare_tensor(model, images, measurement.layers)
        try:
            measurement.update(batch)
        except (ERFError, AssertionError, RuntimeError) as error:
            failure = error
        else:
            return measurement, images
    raise failure


def without_moves(*args, **kwargs):
    """``bound_strip``, of which gradients have to confirm every bound."""
    bounds = _bound_strip(*args, **kwargs)
    by_key = {k: replace(b, moved=None) for k, b in bounds.by_key.items()}
    return replace(bounds, by_key=by_key)


_bound_strip = axis_search.bound_strip


def answers(measurement):
    """Every layer's field as text, or why there is none."""
    theory = measurement.theory
    found = {}
    for key in measurement.accumulators:
        support, why = theory.fields.get(key), theory.why(key)
        text = 'none' if support is None else f'{support}, {support.phase}'
        found[key] = text if why is None else f'{text} [{why[:60]}]'
    return found


def seconds(function):
    """CPU seconds of a call."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


if __name__ == '__main__':
    main()
