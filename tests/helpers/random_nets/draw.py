"""Draws a net from a seed."""

import random

from .block import Layout, Unfit
from .nets import RandomNet
from .table import FILLERS, KINDS, STEMS


def featured_kind(seed):
    """The kind that a seed's net holds for sure: all kinds take turns."""
    return list(KINDS.values())[seed % len(KINDS)]


def draw_net(seed, attempt=0):
    """A random net.

    Raises:
        Unfit: If this attempt leads to none.
    """
    draw = random.Random(f'net {seed} {attempt}')
    featured = featured_kind(seed)
    net = RandomNet(
        _image_size(draw, featured.square), _batch(draw), _style(draw)
    )
    count, local = draw.randint(1, 5), draw.random() < 0.7
    place = draw.randint(0, count)
    if max(net.size) > 130 and place > 0 and draw.random() < 0.8:
        _try(net, draw, STEMS)
    while len(net.places) < place:
        _filler(net, draw, local)
    while featured.most and net.grid[0] * net.grid[1] > featured.most:
        _try(net, draw, STEMS[:2])
    net.add(featured.name, draw.getrandbits(32))
    middle = len(net.places) - 1
    while len(net.places) <= count:
        _filler(net, draw, local)
    net.layers = _layers(net, draw, middle)
    net.target = _target(net, draw)
    return net


def _image_size(draw, square):
    if draw.random() < 0.75:
        size = (draw.randint(130, 230), draw.randint(130, 230))
    else:
        size = (draw.randint(40, 125), draw.randint(40, 125))
    if draw.random() < 0.4:
        size = (size[0] // 16 * 16, size[1] // 16 * 16)
    return (size[0], size[0]) if square or draw.random() < 0.2 else size


def _batch(draw):
    return 2 if draw.random() < 0.3 else 1


def _style(draw):
    return draw.choice(('noise',) * 7 + ('smooth',) * 2 + ('boxed',))


def _filler(net, draw, local):
    others = FILLERS if local or draw.random() < 0.5 else list(KINDS.values())
    _try(net, draw, others)


def _try(net, draw, kinds):
    """Add one of some kinds, whichever fits."""
    for _ in range(20):
        try:
            net.add(draw.choice(kinds).name, draw.getrandbits(32))
        except Unfit:
            continue
        return
    raise Unfit


def _layers(net, draw, featured):
    """A layer in the middle, or the featured one's own, and the last."""
    last = len(net.places) - 1
    reads = net.places[featured].reads
    odd = [name for name, layout in reads.items() if layout != Layout()]
    inner = odd or [name for name in reads if name and draw.random() < 0.5]
    middle = featured if inner else draw.randint(0, max(last - 1, 0))
    chosen = (middle, draw.choice(inner) if inner else '')
    final = ''
    if draw.random() < 0.3:
        final = draw.choice(list(net.places[last].reads))
    return tuple(dict.fromkeys([chosen, (last, final)]))


def _target(net, draw):
    which = draw.random()
    if which < 0.4:
        return ('CentreUnit',)
    if which < 0.7:
        # Between no two units: of two that are as near, either would do.
        pixel = [
            round(round(side * draw.uniform(0.1, 0.9), 1) + 0.03, 2)
            for side in net.size
        ]
        return ('Pixel', *pixel)
    grids = [net.places[index].grid for index, _ in net.layers]
    unit = []
    for axis in (0, 1):
        side = min(grid[axis] for grid in grids)
        unit.append(draw.randrange(side))
        if draw.random() < 0.2:
            unit[axis] -= side
    return ('Unit', *unit)
