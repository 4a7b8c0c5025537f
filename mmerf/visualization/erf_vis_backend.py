"""ERFVisBackend saves raw maps, figures and all statistics."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend
from mmengine.visualization.vis_backend import force_init_env
from PIL import Image

from ..core.atomic_files import file_stem, folder_lock, write_text, write_whole
from ..core.errors import ConfigError
from ..core.results.class_context import KIND, ClassContext
from ..core.results.erf_result import ERFResult
from ..core.results.plain_json import parse_json
from ..plots import plot_map, save_figure
from ..plots.drawing.normalization import CMAP, check_normalization
from ..plots.drawing.style import check_cmap, literal


def _warn_on_os_error(method: Callable) -> Callable:
    """Warn if a method cannot write, so that the run goes on.

    For the methods that MMEngine's loops call; ``add_erf`` raises, since the
    hook's ``on_error`` decides what follows.
    """

    @wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except OSError as error:
            print_log(
                f'ERFVisBackend: {method.__name__} wrote nothing: {error}; '
                'the run goes on',
                logger='current',
                level=logging.WARNING,
            )

    return wrapper


@VISBACKENDS.register_module()
class ERFVisBackend(BaseVisBackend):
    """Save raw maps, figures and all statistics under ``<save_dir>/erf/``.

    ``<step>/<layer>.npz`` and ``.png`` hold each map and its figure,
    ``erf.jsonl`` one line per layer and step with every statistic, and one
    with the contributions by class if the hook measures them. Images,
    scalars and the config are saved there too, so that the backend works
    alone or beside any other. A failed write leaves no half-written file;
    only ``scalars.json``, which grows line by line, may end in a torn line.

    Args:
        save_dir (str): The folder that all backends share.
        normalization (str): Normalisation of the figures: 'power', 'log10',
            'sqrt' or 'linear'.
        cmap (str): Name of a matplotlib colour map, for the figures.

    Raises:
        ConfigError: If ``save_dir`` is empty, or the normalisation or colour
            map is unknown.

    Examples:
        >>> vis_backends = [dict(type='ERFVisBackend')]
    """

    def __init__(
        self,
        save_dir: str,
        normalization: str = 'power',
        cmap: str = CMAP,
    ) -> None:
        if not save_dir:
            raise ConfigError(
                'ERFVisBackend has no save_dir to write to; set save_dir '
                'of the visualizer or of the backend'
            )
        super().__init__(save_dir)
        self._normalization = check_normalization(normalization)
        self._cmap = check_cmap(cmap)

    @property
    def folder(self) -> Path:
        """The folder under which everything is written."""
        return Path(self._save_dir) / 'erf'

    def _init_env(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    @force_init_env
    def experiment(self) -> ERFVisBackend:
        """The backend itself: it wraps no other writer."""
        return self

    @force_init_env
    def add_erf(self, result: ERFResult, step: int = 0) -> None:
        """Save a result: its arrays, its figure and its statistics.

        A second result of the same layer and step replaces the first.

        Args:
            result (ERFResult): The result to save.
            step (int): Training step.

        Raises:
            OSError: If a file cannot be written.
        """
        stem = self.folder / str(int(step)) / file_stem(result.layer)
        result.save(f'{stem}.npz')
        fig, _ = plot_map(
            result,
            normalization=self._normalization,
            cmap=self._cmap,
            title=f'{literal(result.layer)}, step {step}, '
            f'{result.num_images} image(s)',
        )
        save_figure(fig, f'{stem}.png')
        self._add_line({'step': int(step), **result.record()})

    @force_init_env
    def add_class_context(self, context: ClassContext, step: int = 0) -> None:
        """Save the contributions by class of a layer: a line of erf.jsonl.

        Args:
            context (ClassContext): All classes of one layer.
            step (int): Training step.

        Raises:
            OSError: If the file cannot be written.
        """
        self._add_line({'step': int(step), **context.record()})

    def _add_line(self, record: dict) -> None:
        path = self.folder / 'erf.jsonl'
        with folder_lock(self.folder):
            lines = [
                line
                for line in _valid_lines(path)
                if not _is_replaced(line, record)
            ]
            lines.append(json.dumps(record))
            write_text(path, '\n'.join(lines) + '\n')

    @_warn_on_os_error
    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Save the config as ``config.py``."""
        write_text(self.folder / 'config.py', config.pretty_text)

    @_warn_on_os_error
    @force_init_env
    def add_image(
        self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any
    ) -> None:
        """Save an image as ``images/<name>_<step>.png``.

        Args:
            name (str): Such as ``val/img``.
            image (np.ndarray): Shape (H, W, 3), uint8, RGB.
            step (int): Training step.
        """
        picture = Image.fromarray(image)
        path = self.folder / 'images' / f'{file_stem(name)}_{int(step)}.png'
        write_whole(path, lambda file: picture.save(file, format='PNG'))

    @_warn_on_os_error
    @force_init_env
    def add_scalar(
        self, name: str, value: Any, step: int = 0, **kwargs: Any
    ) -> None:
        """Save a scalar as one line of ``scalars.json``."""
        self.add_scalars({name: value}, step)

    @_warn_on_os_error
    @force_init_env
    def add_scalars(
        self,
        scalar_dict: dict,
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Save scalars as one line of ``scalars.json``."""
        values = {
            name: _to_python(value) for name, value in scalar_dict.items()
        }
        line = json.dumps({**values, 'step': int(step)}) + '\n'
        _append_line(self.folder / 'scalars.json', line)


def _valid_lines(path: Path) -> list[str]:
    """A file's JSON records, without lines that a crash cut short."""
    if not path.exists():
        return []
    text = path.read_text(encoding='utf-8', errors='replace')
    return [line for line in text.splitlines() if _parsed(line) is not None]


def _parsed(line: str) -> dict | None:
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _is_replaced(line: str, record: dict) -> bool:
    """Whether a line has the layer and step of a new record of its kind."""
    old = _parsed(line) or {}
    by_class = [one.get('kind') == KIND for one in (old, record)]
    keys = ('step', 'layer')
    return by_class[0] == by_class[1] and all(
        old.get(key) == record[key] for key in keys
    )


def _to_python(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.tolist()
    return value


def _append_line(path: Path, line: str) -> None:
    """Append a line in one write, after a torn last line on a new one."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        torn = size and os.pread(handle, 1, size - 1) != b'\n'
        os.write(handle, (('\n' if torn else '') + line).encode())
    finally:
        os.close(handle)
