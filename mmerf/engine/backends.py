"""What single vis backends need, so that every one gets the data.

Only their public ``add_*`` calls are used, and TensorBoard's ``experiment``
for its layout.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.visualization import (
    BaseVisBackend,
    DVCLiveVisBackend,
    LocalVisBackend,
    MLflowVisBackend,
    TensorboardVisBackend,
)

from ..core.atomic_files import file_stem

_INDEX = re.compile(r'\[(-?\d+)\]')
_REFUSED = re.compile(r'[^\w\-. /]', re.ASCII)  # by MLflow, in a metric's name
_ELSEWHERE = re.compile(r'^\.|[/\\]')
_KNOWN = ('mmengine.', 'mmerf.')
# Chart titles and patterns over tags, for TensorBoard's Custom Scalars.
GROWTH_CHARTS = {
    'side of the 50 % square (px)': r'^erf/.*/side_0\.5$',
    'side of the 99 % square (px)': r'^erf/.*/side_0\.99$',
    'area of the 50 % square (share of the image)': (
        r'^erf/.*/area_ratio_0\.5$'
    ),
}


def add_image(
    backend: BaseVisBackend, layer: str, picture: np.ndarray, step: int
) -> None:
    """Add a layer's picture, under a name that the backend can keep.

    ``erf/<layer>``; where a backend takes no step, the step is in the name:
    ``erf/<layer>/<step>`` for DVCLive, whose viewers then show a slider, and
    ``erf/<layer>_<step>.png`` for MLflow. Some make a file's path of it: a
    layer or class that could lead elsewhere goes by its ``file_stem``.

    Args:
        backend (BaseVisBackend): One vis backend.
        layer (str): The layer's key.
        picture (np.ndarray): (H, W, 3), uint8, RGB.
        step (int): Training step.

    Raises:
        OSError: If LocalVisBackend did not write the file.
    """
    leads = _ELSEWHERE.search(layer)
    name = f'erf/{file_stem(layer) if leads else layer}'
    if isinstance(backend, LocalVisBackend):
        _add_local(backend, name, picture, step)
    elif isinstance(backend, DVCLiveVisBackend):
        backend.add_image(f'{name}/{step}', picture, step)
    elif isinstance(backend, MLflowVisBackend):
        backend.add_image(f'{plain_name(name)}_{step}.png', picture, step)
    else:
        backend.add_image(name, picture, step)


def scalars_for(
    backend: BaseVisBackend, tags: Mapping[str, float]
) -> dict[str, float]:
    """Scalars under names that the backend accepts."""
    if isinstance(backend, MLflowVisBackend):
        return {plain_name(tag): value for tag, value in tags.items()}
    return dict(tags)


def join_metrics(
    backends: Mapping[str, BaseVisBackend], tags: Mapping[str, float]
) -> bool:
    """Whether scalars may go along with a validation's own metrics.

    LoggerHook hands both to every backend in one call. MLflow takes all of a
    call or none, so that one bracket in a name loses the metrics too; and a
    backend that is not mmengine's may raise at a name or a NaN, which nobody
    catches there.
    """
    return all(
        type(backend).__module__.startswith(_KNOWN)
        and scalars_for(backend, tags).keys() == tags.keys()
        for backend in backends.values()
    )


def plain_name(tag: str) -> str:
    """A tag in letters, digits and ``_ - . /``.

    Example:
        >>> plain_name('erf/backbone[3]/side_0.5')
        'erf/backbone-3/side_0.5'
        >>> plain_name('erf/decode_head.conv@0/side_0.5')
        'erf/decode_head.conv_0/side_0.5'
    """
    return _REFUSED.sub('_', _INDEX.sub(r'-\1', tag))


def add_layout(backend: BaseVisBackend) -> None:
    """Give TensorBoard's Custom Scalars one chart a statistic, all layers."""
    if isinstance(backend, TensorboardVisBackend):
        charts = {
            title: ['Multiline', [pattern]]
            for title, pattern in GROWTH_CHARTS.items()
        }
        backend.experiment.add_custom_scalars({'ERF over training': charts})


def _add_local(
    backend: LocalVisBackend, name: str, picture: np.ndarray, step: int
) -> None:
    """LocalVisBackend makes no folder for a name with a slash, nor says so."""
    folder = Path(backend.experiment._img_save_dir)
    path = folder / f'{name}_{step}.png'
    os.makedirs(path.parent, exist_ok=True)
    backend.add_image(name, picture, step)
    if not path.is_file():
        raise OSError(f'{path} could not be written')
