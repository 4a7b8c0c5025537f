"""Measure a random net, and say how it compares with plain autograd."""

import time
from unittest import mock

import numpy as np
import torch

from mmerf import measure_erf
from mmerf.core.errors import ERFError
from mmerf.core.gradient import worth
from mmerf.core.partial import cropped_forward
from mmerf.core.shortcuts import budget
from mmerf.core.windows import planner

from .block import Unfit
from .compare import compare_layer
from .draw import draw_net
from .records import LayerRecord, NetRecord
from .reference import plain_maps, target_unit
from .table import KINDS

MANY = 10**12  # pixels, or passes
TOGETHER = 12  # images that share passes
QUADRATIC = 7000  # units: kinds whose cost grows with their square
# Kinds to which an image alone is another thing than one of a batch, which the
# reference runs: memory lies otherwise, or statistics or the largest value are
# others.
OF_A_BATCH = ('reads its gradient', 'calibrated', 'batch statistics')


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
    theory = seed % 3 == 0 and _runs_on_long_strips(net)
    passes = 3 if seed % 3 == 1 else 1
    together = are_together(seed)
    records = compare(net, theory, passes, is_few(seed), together)
    spent = time.perf_counter() - begin
    return NetRecord(seed, net.recipe, records, spent)


def is_few(seed):
    """Whether a seed's net is measured as few images are."""
    return seed % 4 == 3


def are_together(seed):
    """Whether a seed's images are given one by one, to share passes."""
    return seed % 5 == 4


def _runs_on_long_strips(net):
    """Whether the search for a theoretical field takes no time to speak of."""
    area = net.size[0] * net.size[1]
    return all(
        (KINDS[place.kind].most or QUADRATIC + 1) > QUADRATIC
        and place.grid[0] * place.grid[1] <= 1.2 * area
        for place in net.places
    )


def compare(net, theory=False, passes=1, few=False, together=False):
    """Compare every measured layer of a net that has its reference.

    Args:
        net (RandomNet): From ``make_net``.
        theory (bool): Whether theoretical fields are compared too.
        passes (int): How often its images are measured; from the third time
            on, forwards may be run in part.
        few (bool): Measure as few images are measured, without shortcuts of
            a forward: units are placed by autograd's graph then.
        together (bool): Give images one by one, each several times, so that
            they share passes.
    """
    kind, *where = net.target
    target = None
    if where:
        target = dict(type=kind, y=where[0], x=where[1])

    def measure(layers):
        keys = [net.key(layer) for layer in layers]
        model = net.net().train(net.batch > 1)
        before = _state(model)
        # However few images there are; or however many.
        enough = mock.patch.multiple(
            budget, ENOUGH=MANY if few else 0, ENOUGH_WORK=0, WORK_TO_RECORD=0
        )
        windows = mock.patch.object(planner, 'WORTH_FOR_ALL', 0.95)
        small = mock.patch.multiple(worth, LARGE_GRADIENT=0, LARGE_SHARE=0.0)
        record = mock.patch.object(budget, 'REPEATS', MANY if few else 1)
        part = mock.patch.multiple(cropped_forward, WORTH=0, LEAST_SHARE=0)
        images = [net.images()] * passes
        mixed = any(place.kind in OF_A_BATCH for place in net.places)
        if together and (net.batch == 1 or not mixed):
            images = list(net.images().split(1)) * (TOGETHER // net.batch)
        with enough, windows, small, record, part:
            results = measure_erf(
                model, images, keys, target=target, theory=theory
            )
        same = _state_is(model, before)
        after = _outputs(net, model) if same else {}
        return [
            compare_layer(net, layer, results[net.key(layer)], after)
            for layer in layers
        ]

    try:
        return measure(net.layers)
    except Exception as error:  # each layer for itself: which one is it?
        records = [_alone(net.key(x), measure, x) for x in net.layers]
        if all(record.map not in ('refused', 'crashed') for record in records):
            _note_error(records[0], error)
        return records


def _alone(key, measure, layer):
    try:
        return measure([layer])[0]
    except Exception as error:
        record = LayerRecord(key)
        _note_error(record, error)
        return record


def _note_error(record, error):
    """Refused, in one line of mmerf's own; or crashed."""
    refused = isinstance(error, ERFError) and '\n' not in str(error)
    record.map = 'refused' if refused else 'crashed'
    name = '' if refused else f' {type(error).__name__}:'
    record.details.append(f'{record.map}:{name} {error}')


def _state(model):
    """What a measurement may not change."""
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    wanted = [p.requires_grad for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    return tensors, flags, wanted, grads


def _state_is(model, before):
    tensors, *others = _state(model)
    return (
        others == list(before[1:])
        and tensors.keys() == before[0].keys()
        and all(torch.equal(v, before[0][k]) for k, v in tensors.items())
    )


def _outputs(net, model):
    """Layers' outputs after a measurement, as a first call gives them."""
    fresh = net.net
    net.net = model.eval
    try:
        found = plain_maps(net, net.units, torch.float32)
    except Exception:
        return {}
    finally:
        net.net = fresh
    return {layer: plain.output for layer, plain in found.items()}
