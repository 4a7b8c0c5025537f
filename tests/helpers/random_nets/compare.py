"""Compare a result with the reference: map, pixel, field, no trace."""

import re
from dataclasses import replace

import numpy as np
import torch

from mmerf.core.partial.partial_forwards import CONFIRMED

from .records import LayerRecord
from .reference import closed_form, distances, plain_maps

OF_PEAK = 1e-4  # difference allowed, of the map's peak
OF_ROUNDING = 3  # times what float32 differs from float64, if that is more
NUDGES = 64  # runs that are nudged, at most, where one run is not enough
PIXELS = 1.0  # px, how far a unit's pixel may be off


def compare_layer(net, layer, result, after):
    """The record of a layer.

    Args:
        net (RandomNet): With its reference.
        layer (tuple): One of its measured layers.
        result (ERFResult): What mmerf found.
        after (dict): By layer, its output once mmerf was done; nothing if
            the net no longer runs, or is not in the state it was in.
    """
    record = LayerRecord(net.key(layer))
    run_on = str(result.provenance['run_on'])
    record.window = run_on.startswith('window')
    record.in_part = CONFIRMED in run_on
    alone = re.search(r'one image in a pass: ([^;)]*)', run_on)
    record.one_by_one = alone[1] if alone else ''
    place = net.places[layer[0]]
    if tuple(result.grid) == place.grid[::-1] != place.grid:
        # Tokens of a transposed image: mmerf counts them down, then across.
        turned = dict(grid=place.grid, unit=result.unit[::-1])
        result = replace(result, **turned)
    unit = result.unit
    if any(not 0 <= u < g for u, g in zip(unit, place.grid, strict=True)):
        record.map = 'wrong'
        record.details.append(
            f'map wrong: unit {unit} is not on the grid {place.grid}'
        )
        return record
    _compare_map(net, layer, result, record, run_on)
    _compare_pixel(net, place, result, record)
    if result.theory is not None:
        _compare_theory(net, layer, place, result, record)
    before = net.rounded[layer].output
    if layer not in after:
        record.trace = 'wrong'
        record.details.append('trace wrong: the net is in another state')
    elif not torch.allclose(after[layer], before, 1e-4, 1e-6):
        record.trace = 'wrong'
        record.details.append('trace wrong: the net gives other outputs')
    return record


def _compare_map(net, layer, result, record, run_on):
    expected, rounded = net.plain[layer].map, net.rounded[layer].map
    unit = tuple(result.unit)
    if unit != net.units[layer]:
        if net.target[0] != 'Pixel':
            record.map = 'wrong'
            record.details.append(
                f'map wrong: unit {unit}, not {net.units[layer]}'
            )
            return
        units = {layer: unit}
        expected = plain_maps(net, units)[layer].map
        rounded = plain_maps(net, units, torch.float32)[layer].map
    off = abs(result.map - expected).max()
    own = abs(rounded - expected).max()
    allowed = max(OF_PEAK * expected.max(), OF_ROUNDING * own)
    if not off <= allowed:  # a switch near zero may turn by one rounding
        own = _moved_by_roundings(
            net, layer, unit, expected, off / OF_ROUNDING
        )
        allowed = max(allowed, OF_ROUNDING * own)
    if not off <= allowed:
        record.map = 'wrong'
        share = off / max(expected.max(), 1e-30)
        record.details.append(
            f'map wrong: off by {share:.3g} of the peak, allowed '
            f'{allowed / max(expected.max(), 1e-30):.1g}; {run_on}'
        )


def _moved_by_roundings(net, layer, unit, expected, wanted):
    """How far plain float32 is off where its input moves by one rounding.

    No further run is made once one is off by ``wanted``: a switch that turns
    by one rounding in fifty turns more often where a window rounds otherwise.
    """
    furthest = 0.0
    for seed in range(NUDGES):
        nudged = plain_maps(net, {layer: unit}, torch.float32, seed)
        furthest = max(furthest, abs(nudged[layer].map - expected).max())
        if furthest >= wanted:
            break
    return furthest


def _compare_pixel(net, place, result, record):
    if not result.pixel_known:
        return
    claimed = tuple(round(v, 3) for v in result.unit_pixel)
    if place.coords is None:
        record.pixel = 'wrong' if place.strict else 'claimed'
        if place.strict:
            record.details.append(
                f'pixel wrong: {claimed} claimed where there is none'
            )
        return
    y, x = result.unit
    true = place.coords[:, y, x]
    off = float(distances(place.coords[:, y : y + 1, x : x + 1], claimed))
    record.pixel = 'right'
    if off > PIXELS:
        record.pixel = 'wrong'
        told = tuple(round(v, 3) for v in true.tolist())
        record.details.append(f'pixel wrong: {claimed} claimed, {told} true')
    if net.target[0] == 'Pixel':
        every = distances(place.coords, net.target[1:])
        if float(every[y, x]) > float(every.min()) + PIXELS:
            record.pixel = 'wrong'
            record.details.append(
                f'pixel wrong: unit {result.unit} taken for the nearest'
            )


def _compare_theory(net, layer, place, result, record):
    theory = result.theory
    record.theory = 'right'
    if place.steps is not None:
        true = closed_form(place.steps)
        if theory.size is None:
            record.theory = 'bound'
            extents = (theory.y, theory.x)
            fits = all(
                e.kind != 'global' and e.size <= t
                for e, t in zip(extents, true, strict=True)
            )
        else:
            fits = tuple(theory.size) == true
        if not fits:
            record.theory = 'wrong'
            record.details.append(
                f'theory wrong: {theory}, closed form {true}'
            )
        return
    box = theory.box(result.unit_pixel)
    if box is None:
        record.theory = 'bound'
        return
    expected = net.plain[layer].map
    if tuple(result.unit) != net.units[layer]:
        expected = plain_maps(net, {layer: tuple(result.unit)})[layer].map
    if not expected.any():
        return  # a map without a pixel lies in every box
    rows, columns = (axis.tolist() for axis in np.nonzero(expected))
    ends = (min(rows), max(rows), min(columns), max(columns))
    if record.pixel == 'right':
        beyond = [
            box[0] - ends[0], ends[1] - box[1],
            box[2] - ends[2], ends[3] - box[3],
        ]  # fmt: skip
    else:  # about a pixel that is not known, only sizes can be compared
        sides = (ends[1] - ends[0] + 1, ends[3] - ends[2] + 1)
        beyond = [a - b for a, b in zip(sides, theory.size, strict=True)]
    if max(beyond) > PIXELS:
        record.theory = 'wrong'
        told = tuple(round(edge, 2) for edge in box)
        record.details.append(
            f'theory wrong: box {told} ({theory.phase}), gradient in {ends}'
        )
