"""Differences between vis backends: names, steps, folders, layouts.

Only the public ``add_*`` methods of a backend are used, and ``experiment`` of
LocalVisBackend (its folder) and TensorboardVisBackend (its layout).
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
_REFUSED_BY_MLFLOW = re.compile(r'[^\w\-. /]', re.ASCII)
_LEAVES_FOLDER = re.compile(r'^\.|[/\\]')
_TRUSTED_PACKAGES = ('mmengine.', 'mmerf.')
LAYER_RUNS = 'erf_layers'  # folder of TensorBoard's runs, one per layer
# Chart titles and patterns over tags, for TensorBoard's Custom Scalars.
GROWTH_CHARTS = {
    'side of the 50 % square (px)': r'^erf_side_0\.5$',
    'side of the 99 % square (px)': r'^erf_side_0\.99$',
    'area of the 50 % square (share of the image)': (r'^erf_area_ratio_0\.5$'),
}


def add_image(
    backend: BaseVisBackend, layer: str, picture: np.ndarray, step: int
) -> None:
    """Add a layer's picture, under a name that the backend accepts.

    The name is ``erf/<layer>``. Where a backend takes no step, the name has
    it: ``erf/<layer>/<step>`` for DVCLive, whose viewers then show a slider,
    and ``erf/<layer>_<step>.png`` for MLflow. Some backends use the name as a
    file's path: a layer or class whose name could leave the folder goes by
    its ``file_stem``.

    Args:
        backend (BaseVisBackend): One vis backend.
        layer (str): The layer's key.
        picture (np.ndarray): (H, W, 3), uint8, RGB.
        step (int): Training step.

    Raises:
        OSError: If LocalVisBackend did not write the file.
    """
    leaves = _LEAVES_FOLDER.search(layer)
    name = f'erf/{file_stem(layer) if leaves else layer}'
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


def may_join_metrics(
    backends: Mapping[str, BaseVisBackend], tags: Mapping[str, float]
) -> bool:
    """Whether scalars may be logged together with a validation's metrics.

    LoggerHook gives both to every backend in one call. MLflow takes all of a
    call or none: one bracket in a name loses the metrics too. A third-party
    backend may raise at a name or a NaN, which LoggerHook does not catch.
    """
    return all(
        type(backend).__module__.startswith(_TRUSTED_PACKAGES)
        and scalars_for(backend, tags).keys() == tags.keys()
        for backend in backends.values()
    )


def plain_name(tag: str) -> str:
    """A tag in letters, digits and ``_ - . /``.

    Example:
        >>> plain_name('erf_side_0.5/backbone[3]')
        'erf_side_0.5/backbone-3'
        >>> plain_name('erf_side_0.5/decode_head.conv@0')
        'erf_side_0.5/decode_head.conv_0'
    """
    return _REFUSED_BY_MLFLOW.sub('_', _INDEX.sub(r'-\1', tag))


def add_layout(backend: BaseVisBackend) -> None:
    """Give TensorBoard one chart per statistic, with a line per layer.

    The lines are those of ``add_layer_runs``.
    """
    if isinstance(backend, TensorboardVisBackend):
        charts = {
            title: ['Multiline', [pattern]]
            for title, pattern in GROWTH_CHARTS.items()
        }
        backend.experiment.add_custom_scalars({'ERF over training': charts})


def add_layer_runs(
    backend: BaseVisBackend, tags: Mapping[str, float], step: int
) -> None:
    """Give TensorBoard the scalars again, in a run of its own per layer.

    TensorBoard colours runs, not tags: of ``erf_side_0.5/<layer>`` the run
    ``erf_layers/<layer>`` has ``erf_side_0.5``, so that one chart has all
    layers, each in its colour. The writers are closed with the backend's, as
    those of ``SummaryWriter.add_scalars`` are.

    Args:
        backend (BaseVisBackend): Any; nothing is done for others.
        tags (mapping): Scalars by tag.
        step (int): Training step.
    """
    if not isinstance(backend, TensorboardVisBackend) or not tags:
        return
    from torch.utils.tensorboard import FileWriter
    from torch.utils.tensorboard.summary import scalar

    main = backend.experiment
    for tag, value in tags.items():
        statistic, _, layer = tag.partition('/')
        folder = os.path.join(main.log_dir, LAYER_RUNS, file_stem(layer))
        if folder not in main.all_writers:
            main.all_writers[folder] = FileWriter(folder)
        main.all_writers[folder].add_summary(scalar(statistic, value), step)
    main.flush()


def _add_local(
    backend: LocalVisBackend, name: str, picture: np.ndarray, step: int
) -> None:
    """Make the folder, which LocalVisBackend leaves out, and check the file.

    cv2 writes nothing, and raises nothing, where the folder is missing.
    """
    folder = Path(backend.experiment._img_save_dir)
    path = folder / f'{name}_{step}.png'
    os.makedirs(path.parent, exist_ok=True)
    backend.add_image(name, picture, step)
    if not path.is_file():
        raise OSError(f'{path} could not be written')
