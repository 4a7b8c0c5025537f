"""Measure a random net, and say how it compares with plain autograd."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch

from mmerf import measure_erf
from mmerf.core.errors import ERFError

from .block import Unfit
from .nets import Recipe, draw_net
from .reference import closed_form, distances, plain_maps, target_unit
from .table import KINDS

OF_PEAK = 1e-4  # difference allowed, of the map's peak
OF_ROUNDING = 3  # and of what float32 differs from float64
PIXELS = 1.0  # px, how far a unit's pixel may be off
QUADRATIC = 7000  # units: kinds whose cost grows with their square
BAD = ('wrong', 'crashed')


@dataclass
class LayerRecord:
    """What was found for one layer.

    Attributes:
        key (str): The layer.
        map (str): ``agrees``, ``wrong``, ``refused`` or ``crashed``.
        pixel (str): ``right``, ``unknown``, ``wrong``, or ``claimed`` where
            nothing is to be known.
        theory (str): ``right``, ``bound``, ``unknown``, ``wrong`` or ``-``.
        trace (str): ``none``, or ``wrong`` if outputs changed.
        window (bool): Whether it ran in a window.
        details (list[str]): Of all that is not well.
    """

    key: str
    map: str = 'agrees'
    pixel: str = 'unknown'
    theory: str = '-'
    trace: str = 'none'
    window: bool = False
    details: list = field(default_factory=list)

    @property
    def failed(self):
        """Names of what is wrong or crashed."""
        names = ('map', 'pixel', 'theory', 'trace')
        return [name for name in names if getattr(self, name) in BAD]


@dataclass
class NetRecord:
    """What was found for a net.

    Attributes:
        seed (int, optional): That it was drawn from.
        recipe (Recipe): That it is made again from.
        layers (list[LayerRecord]): Of its measured layers.
        seconds (float): That all took.
    """

    seed: int | None
    recipe: Recipe
    layers: list
    seconds: float

    @property
    def failed(self):
        return [f'{r.map} {n}' for r in self.layers for n in r.failed]

    def __str__(self):
        """Lines that make the net again, its blocks, and what is wrong."""
        lines = []
        if self.seed is not None:
            lines.append(
                f'PYTHONPATH=.:tests python -m helpers.random_nets {self.seed}'
            )
        lines.append(
            f'  {self.recipe.batch} x {self.recipe.size}, '
            f'target {self.recipe.target}'
        )
        lines += [
            f'  blocks.{number}: {kind} (seed {seed})'
            for number, (kind, seed) in enumerate(self.recipe.blocks)
        ]
        for record in self.layers:
            lines += [f'  {record.key}: {text}' for text in record.details]
        return '\n'.join(lines)


def make_net(seed):
    """The net of a seed, with plain maps that are neither zero nor not finite.

    Returns:
        RandomNet: With ``units`` by layer, and ``plain``, by layer the
        float64 Plain of that unit.
    """
    for attempt in range(500):
        try:
            net = draw_net(seed, attempt)
            return with_reference(net)
        except Unfit:
            continue
    raise RuntimeError(f'no net fits seed {seed}')


def with_reference(net):
    """The net, measured plainly.

    Raises:
        Unfit: If a map is zero or not finite, or the plain loop fails.
    """
    net.units = {layer: target_unit(net, layer) for layer in net.layers}
    try:
        net.plain = plain_maps(net, net.units)
        net.rounded = plain_maps(net, net.units, torch.float32)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise Unfit from error
    for found in (net.plain, net.rounded):
        for plain in found.values():
            if not np.isfinite(plain.map).all() or not plain.map.any():
                raise Unfit
    return net


def check_net(seed):
    """Draw a net and compare mmerf with plain autograd.

    Returns:
        NetRecord: What was found.
    """
    begin = time.perf_counter()
    net = make_net(seed)
    records = compare(net, theory=seed % 3 == 0 and _runs_on_long_strips(net))
    spent = time.perf_counter() - begin
    return NetRecord(seed, net.recipe, records, spent)


def _runs_on_long_strips(net):
    """Whether the search for a theoretical field takes no time to speak of."""
    area = net.size[0] * net.size[1]
    return all(
        (KINDS[place.kind].most or QUADRATIC + 1) > QUADRATIC
        and place.grid[0] * place.grid[1] <= 1.2 * area
        for place in net.places
    )


def compare(net, theory=False):
    """Compare every measured layer of a net that has its reference."""
    kind, *where = net.target
    target = None
    if where:
        target = dict(type=kind, y=where[0], x=where[1])
    model = net.net()

    def measure(model, layers):
        keys = [net.key(layer) for layer in layers]
        return measure_erf(
            model, net.images(), keys, target=target, theory=theory
        )

    try:
        results = measure(model, net.layers)
    except Exception:  # each layer for itself, to see which one it is
        return [_alone(net, layer, measure) for layer in net.layers]
    after = _outputs(net, model)
    return [
        _compare_layer(net, layer, results[net.key(layer)], after[layer])
        for layer in net.layers
    ]


def _alone(net, layer, measure):
    record = LayerRecord(net.key(layer))
    model = net.net()
    try:
        result = measure(model, [layer])[net.key(layer)]
    except ERFError as error:
        record.map = 'refused'
        record.details.append(f'refused: {error}')
        if '\n' in str(error):
            record.map = 'crashed'
        return record
    except Exception as error:
        record.map = 'crashed'
        record.details.append(f'crashed: {type(error).__name__}: {error}')
        return record
    return _compare_layer(net, layer, result, _outputs(net, model)[layer])


def _outputs(net, model):
    """Layers' outputs after a measurement, as the first call gave them."""
    fresh = net.net
    net.net = lambda: model
    try:
        found = plain_maps(net, net.units, torch.float32)
    except Exception:
        return dict.fromkeys(net.layers)
    finally:
        net.net = fresh
    return {layer: plain.output for layer, plain in found.items()}


def _compare_layer(net, layer, result, after):
    record = LayerRecord(net.key(layer))
    run_on = str(result.provenance['run_on'])
    record.window = run_on.startswith('window')
    place = net.places[layer[0]]
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
    if after is None or not torch.allclose(after, before, 1e-4, 1e-6):
        record.trace = 'wrong'
        record.details.append('trace: outputs changed by the measurement')
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
    allowed = max(
        OF_PEAK * expected.max(), OF_ROUNDING * abs(rounded - expected).max()
    )
    off = abs(result.map - expected).max()
    if not off <= allowed:
        record.map = 'wrong'
        share = off / max(expected.max(), 1e-30)
        record.details.append(
            f'map wrong: off by {share:.3g} of the peak, allowed '
            f'{allowed / max(expected.max(), 1e-30):.1g}; {run_on}'
        )


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
    if max(beyond) > 0.5:
        record.theory = 'wrong'
        told = tuple(round(edge, 2) for edge in box)
        record.details.append(
            f'theory wrong: box {told} ({theory.phase}), gradient in {ends}'
        )
