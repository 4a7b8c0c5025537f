"""Measure a random net, and say how it compares with plain autograd."""

import time

import numpy as np
import torch

from mmerf import measure_erf
from mmerf.core.errors import ERFError

from .block import Unfit
from .compare import compare_layer
from .draw import draw_net
from .records import LayerRecord, NetRecord
from .reference import plain_maps, target_unit
from .table import KINDS

QUADRATIC = 7000  # units: kinds whose cost grows with their square


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
        compare_layer(net, layer, results[net.key(layer)], after[layer])
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
    return compare_layer(net, layer, result, _outputs(net, model)[layer])


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
