"""Measure every combination of some settings, and compare them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ...core.atomic_files import write_text
from ...core.errors import ConfigError, ERFError
from ...core.options import check_size
from ...core.results.provenance import check_same_definition
from ...engine.selection import check_num_images
from ...plots.drawing.normalization import CMAP
from ...plots.drawing.style import check_cmap, check_title
from ..compare.comparison import (
    Comparison,
    by_run_and_layer,
    comparison_of,
    write_comparison,
)
from ..compare.table_files import check_tables
from ..config.config_file import load_config
from ..erf import ERFRun, run_erf
from ..write_outputs import check_out_folder, write_report
from .common_pixel import common_middle
from .vary import Combination, check_keys, combinations


@dataclass
class Sweep:
    """The results of a sweep.

    Attributes:
        runs (dict[str, ERFRun]): The combinations that could be measured.
        gaps (dict[str, str]): The others, and why they could not.
        comparison (Comparison): All of them, for figures and tables;
            ``comparison.rows()`` has the numbers.
        notes (list[str]): What the user should know, one sentence per note.
        files (list[Path]): Figure, tables and record.
    """

    runs: dict[str, ERFRun]
    gaps: dict[str, str]
    comparison: Comparison
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def sweep_erf(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    vary: Mapping[str, Any],
    out_dir: str | os.PathLike,
    target: Any = None,
    num_images: int = 50,
    order: str = 'even',
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    cfg_options: Mapping | None = None,
    layers: Sequence[str] | None = None,
    normalization: str = 'power',
    cmap: str = CMAP,
    suffix: str = 'png',
    title: str | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Sweep:
    """Build and measure every combination of settings, and compare them.

    All combinations are measured on the same images. By default the target
    is the unit nearest to one input pixel, the middle of the smallest image.
    Initial weights come from one seed; a checkpoint's weights are loaded
    where they fit. A combination that cannot be built or measured becomes a
    gap with its reason.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        vary (mapping): Dotted config key to a list of values, or to a
            mapping of their names to values; the last key changes fastest.
        out_dir: Gets ``sweep.<suffix>``, ``.md``, ``.csv``, ``.tex`` and
            ``.json``, and one folder per combination, as ``tools/erf.py``
            writes it.
        target: See :func:`mmerf.measure_erf`; None for the unit nearest to
            that pixel.
        num_images, order, img_dir, input_size, cfg_options, layers: See
            :func:`mmerf.apis.run_erf`.
        normalization, cmap, suffix, title (str): Of the figures.
        force (bool): Compare even if definitions differ.
        say (callable): Called with one line of text before each combination.
        **options: Further arguments of :func:`mmerf.apis.run_erf`.

    Returns:
        Sweep: The runs, the gaps and the comparison.

    Raises:
        ConfigError: If a key is not in the config or read by no measurement,
            no combination can be measured, the folder cannot be written to or
            holds other files of these names, or a combination's definition
            differs from those before it and ``force`` is not set.
    """
    check_cmap(cmap)
    check_title(title)
    check_num_images(num_images)
    cfg = load_config(config, cfg_options)
    check_keys(cfg, vary)
    every = combinations(vary)
    if target is None:
        y, x = common_middle(
            cfg,
            every,
            check_size(input_size),
            img_dir,
            num_images,
            order,
            trust=options.get('trust_checkpoint', False),
        )
        target = {'type': 'Pixel', 'y': y, 'x': x}
    folder = Path(out_dir)
    check_out_folder(folder)
    check_tables(folder / f'sweep.{suffix}', '--out-dir')
    runs: dict[str, ERFRun] = {}
    gaps: dict[str, str] = {}
    style: dict = {'normalization': normalization, 'cmap': cmap}
    with _writing(folder):
        for number, combination in enumerate(every):
            name = combination.name
            say(f'{number + 1}/{len(every)}: {name}')
            try:
                runs[name] = run_erf(
                    config,
                    checkpoint,
                    layers=layers,
                    num_images=num_images,
                    order=order,
                    img_dir=img_dir,
                    input_size=input_size,
                    target=target,
                    partial_checkpoint=True,
                    cfg_options={**(cfg_options or {}), **combination.options},
                    say=say,
                    **options,
                )
            except ERFError as error:
                gaps[name] = str(error)
                say(f'{name} is left out: {error}')
                continue
            runs[name].notes += _same_maps(name, runs)
            inside = folder / _folder(number, name)
            write_report(runs[name], inside, suffix=suffix, **style)
            _check_comparable(runs, force)
        if not runs:
            reasons = list(dict.fromkeys(gaps.values()))
            raise ConfigError(
                'no combination could be measured: ' + '; '.join(reasons[:3])
            )
        result = _compared(every, runs, gaps, force)
        result.files = write_comparison(
            result.comparison, folder / f'sweep.{suffix}', title=title, **style
        )
        text = json.dumps(_sweep_record(every, result), indent=1, default=str)
        result.files.append(write_text(folder / 'sweep.json', text + '\n'))
    return result


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write into a ConfigError that names the folder."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f'{folder} cannot be written to: {error}; name another folder'
        ) from error


def _compared(
    every: Sequence[Combination],
    runs: dict[str, ERFRun],
    gaps: dict[str, str],
    force: bool,
) -> Sweep:
    comparison = comparison_of(
        {
            c.name: runs[c.name].results if c.name in runs else {}
            for c in every
        },
        gaps=gaps,
        force=force,
    )
    notes: dict[str, list[str]] = {}
    for name, run in runs.items():
        skipped = [f'skipped {path}: {y}' for path, y in run.skipped.items()]
        for note in [*skipped, *run.notes]:
            notes.setdefault(note, []).append(name)
    sentences = [
        note if len(names) == len(runs) else f'{"; ".join(names)}: {note}'
        for note, names in notes.items()
    ]
    return Sweep(runs, gaps, comparison, sentences + comparison.notes)


def _check_comparable(runs: Mapping[str, ERFRun], force: bool) -> None:
    """Raise ConfigError once results cannot be compared, before the rest."""
    every = by_run_and_layer({n: run.results for n, run in runs.items()})
    check_same_definition(every, force)


def _same_maps(name: str, runs: Mapping[str, ERFRun]) -> list[str]:
    """A note if an earlier run has exactly the maps of this one."""
    own = {la: r.map for la, r in runs[name].results.items()}
    if not any(map_hw.any() for map_hw in own.values()):
        return []  # zero maps may have different causes
    for other, run in runs.items():
        theirs = {la: r.map for la, r in run.results.items()}
        if (
            other != name
            and own.keys() == theirs.keys()
            and all(np.array_equal(own[la], theirs[la]) for la in own)
        ):
            return [
                f'every map is identical to that of {other}: what differs is '
                'not read, comes after these layers, or means the same'
            ]
    return []


def _folder(number: int, name: str) -> str:
    """Name of a combination's folder."""
    return f'{number:02d}_' + re.sub(r'[^\w.=-]+', '_', name)[:80].strip('_')


def _sweep_record(every: Sequence[Combination], sweep: Sweep) -> list[dict]:
    return [
        {
            'name': c.name,
            'options': c.options,
            'gap': sweep.gaps.get(c.name),
            'folder': _folder(i, c.name) if c.name in sweep.runs else None,
            'notes': sweep.runs[c.name].notes if c.name in sweep.runs else [],
        }
        for i, c in enumerate(every)
    ]
