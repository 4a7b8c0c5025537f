"""ERFVisBackend: keeps what a picture loses."""

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
from mmengine.visualization import BaseVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmseg.registry import VISBACKENDS
from PIL import Image

from ..core.atomic_files import file_stem, folder_lock, write_text, write_whole
from ..core.errors import ConfigError
from ..core.results.erf_result import ERFResult
from ..plots import plot_map, save_figure
from ..plots.drawing.normalization import check_normalization
from ..plots.drawing.style import CMAP, check_cmap, literal


def _warns(method: Callable) -> Callable:
    """Make a full disk a warning: loops call these, and have to go on.

    ``add_erf`` raises: its caller decides.
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
    """Maps as arrays, figures and statistics under ``<save_dir>/erf/``.

    ``<step>/<layer>.npz`` and ``.png`` hold each map and its figure,
    ``erf.jsonl`` one line per layer and step with every statistic. Images,
    scalars and the config are kept there too, so the backend can stand alone
    or beside any other. Files appear whole or not at all.

    Args:
        save_dir (str): The folder that all backends share.
        normalization (str): Of the figures.
        cmap (str): Colour map of the figures.

    Raises:
        ConfigError: If ``save_dir`` is missing, or the normalisation or
            colour map does not exist.

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
                'ERFVisBackend needs a save_dir to write to; give the '
                'visualizer one'
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
        """The backend itself: there is nothing beneath it."""
        return self

    @force_init_env
    def add_erf(self, result: ERFResult, step: int = 0) -> None:
        """Keep a result: its arrays, its figure and its statistics.

        A second result of the same layer and step replaces the first.

        Args:
            result (ERFResult): What was measured.
            step (int): Training step.
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

    def _add_line(self, record: dict) -> None:
        path = self.folder / 'erf.jsonl'
        with folder_lock(self.folder):
            lines = [line for line in _lines(path) if not _same(line, record)]
            lines.append(json.dumps(record))
            write_text(path, '\n'.join(lines) + '\n')

    @_warns
    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Keep the config as ``config.py``."""
        write_text(self.folder / 'config.py', config.pretty_text)

    @_warns
    @force_init_env
    def add_image(
        self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any
    ) -> None:
        """Keep an image (H, W, 3), uint8, RGB, as ``images/<name>_<step>``."""
        picture = Image.fromarray(image)
        path = self.folder / 'images' / f'{file_stem(name)}_{int(step)}.png'
        write_whole(path, lambda file: picture.save(file, format='PNG'))

    @_warns
    @force_init_env
    def add_scalar(
        self, name: str, value: Any, step: int = 0, **kwargs: Any
    ) -> None:
        """Keep a scalar as a line of ``scalars.json``."""
        self.add_scalars({name: value}, step)

    @_warns
    @force_init_env
    def add_scalars(
        self,
        scalar_dict: dict,
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep scalars as one line of ``scalars.json``."""
        values = {name: _plain(value) for name, value in scalar_dict.items()}
        line = json.dumps({**values, 'step': int(step)}) + '\n'
        _append(self.folder / 'scalars.json', line)


def _lines(path: Path) -> list[str]:
    """A file's whole lines of JSON; what a crash tore is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding='utf-8', errors='replace')
    return [line for line in text.splitlines() if _record(line) is not None]


def _record(line: str) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _same(line: str, record: dict) -> bool:
    """Whether a line is of a record's layer and step."""
    old = _record(line) or {}
    keys = ('step', 'layer')
    return all(old.get(key) == record[key] for key in keys)


def _plain(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.tolist()
    return value


def _append(path: Path, line: str) -> None:
    """Add a line in one write; a torn last line stays a line of its own."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        torn = size and os.pread(handle, 1, size - 1) != b'\n'
        os.write(handle, (('\n' if torn else '') + line).encode())
    finally:
        os.close(handle)
