"""The pictures of a measured step, for vis backends that take images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ..core.results.erf_result import ERFResult
from ..core.statistics import shown_numbers
from ..core.statistics.base import GROWTH
from ..plots.contact_sheet import plot_contact_sheet
from ..plots.drawing.render import to_rgb
from ..plots.drawing.style import literal
from ..plots.growth import plot_growth
from ..plots.map import plot_map

ALL_LAYERS, OVER_STEPS = 'all_layers', 'growth'
Picture = tuple[str, Callable[[], np.ndarray]]


def pictures_of(
    results: Mapping[str, ERFResult],
    step: int,
    normalization: str,
    history: Sequence[Mapping] = (),
    number: int = 1,
) -> Iterator[Picture]:
    """Names and drawings: all layers first, each of them, then growth.

    Args:
        results (mapping of str to ERFResult): By layer.
        step (int): The step to log at.
        normalization (str): How pictures scale the maps.
        history (sequence of mapping): ``growth_record`` of every step so
            far; without any there is no picture of growth.
        number (int): Of the hook, from 1: overviews of the second hook of a
            run are named ``all_layers_2`` and ``growth_2``.

    Yields:
        tuple[str, callable]: The name, and what draws it as (H, W, 3), uint8.
    """
    before = 'test:' if all(k.startswith('test:') for k in results) else ''
    after = '' if number == 1 else f'_{number}'
    while {f'{before}{n}{after}' for n in (ALL_LAYERS, OVER_STEPS)} & {
        *results
    }:
        after += '_'  # a layer has the name of an overview
    title = f'step {step}'
    images = {result.num_images for result in results.values()}
    if len(images) == 1:
        title += f', {images.pop()} image(s)'
    yield (
        f'{before}{ALL_LAYERS}{after}',
        lambda: to_rgb(
            plot_contact_sheet(
                results, normalization=normalization, title=title
            )[0]
        ),
    )
    for layer, result in results.items():
        yield layer, partial(_map, result, step, normalization)
    if history:
        yield (
            f'{before}{OVER_STEPS}{after}',
            lambda: to_rgb(plot_growth({'': history})[0]),
        )


def growth_records(results: Mapping[str, ERFResult], step: int) -> list[dict]:
    """What the picture of growth shows of a step, one record per layer.

    Pictures of attention have no size, and no record.
    """
    return [
        {
            'step': step,
            'layer': layer,
            'statistics': {
                **result.statistics(
                    {name for name, _ in shown_numbers(GROWTH, result.shares)}
                ),
                'uncertainty': result.uncertainty or None,
            },
        }
        for layer, result in results.items()
        if result.kind == 'erf'
    ]


def _map(result: ERFResult, step: int, normalization: str) -> np.ndarray:
    fig, _ = plot_map(
        result,
        normalization=normalization,
        title=f'{literal(result.layer)}, step {step}, '
        f'{result.num_images} image(s)',
    )
    return to_rgb(fig)
