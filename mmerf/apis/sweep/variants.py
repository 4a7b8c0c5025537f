"""Measure variants of one network, and put them beside each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...core.atomic_files import recorded_files
from ...core.errors import ConfigError, ERFError
from ...core.results.provenance import check_same_definition
from ...plots.drawing.look import Look
from ...plots.drawing.style import check_title
from ..compare.comparison import (
    Comparison,
    by_run_and_layer,
    comparison_of,
    write_comparison,
)
from ..compare.table_files import check_tables
from ..erf import ERFRun, run_erf
from ..result_folder import check_out_folder, write_record
from ..write_outputs import write_report
from .notes import notes_of_runs, same_maps, unchanged_layers


@dataclass(frozen=True)
class Variant:
    """One way to measure a network.

    Attributes:
        name (str): In figures, tables and the name of its folder.
        arguments (dict): Of ``run_erf``; beside or instead of the common
            ones.
        options (dict): What the record says of it.
        required (bool): Whether nothing can be compared without it.
        settings (dict[str, str]): The options as a table has them.
    """

    name: str
    arguments: dict[str, Any]
    options: dict[str, Any]
    required: bool = False
    settings: dict[str, str] = field(default_factory=dict)


@dataclass
class Sweep:
    """Variants of a network, measured.

    Attributes:
        runs (dict[str, ERFRun]): The variants that could be measured.
        gaps (dict[str, str]): The others, and why they could not.
        comparison (Comparison): All of them, for figures and tables;
            ``comparison.rows()`` has the numbers.
        notes (list[str]): What the user should know, one sentence per note.
        files (list[Path]): Figure, tables and record.
        settings (dict[str, dict[str, str]]): What varies, by variant and
            short key.
        warnings (list[str]): Those of the notes that say what was left out
            or is not as it seems.
    """

    runs: dict[str, ERFRun]
    gaps: dict[str, str]
    comparison: Comparison
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SweepOutput:
    """Where variants are written, and how their figures look.

    Attributes:
        folder (Path): Gets the files, and one folder per variant.
        stem (str): Name of the figure, the tables and the record.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        look (mapping): How figures look, as attributes of ``Look``.
        title (str, optional): Over the figure of all variants.
        measured (mapping, optional): See :func:`mmerf.apis.write_report`.

    Raises:
        ConfigError: If a setting is wrong, or other files are in the way.
    """

    folder: Path
    stem: str
    suffix: str = 'png'
    look: Mapping[str, Any] = field(default_factory=dict)
    title: str | None = None
    measured: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        Look(**self.look)
        check_title(self.title)
        check_out_folder(self.folder)
        check_tables(self.figure, '--out-dir')

    @property
    def figure(self) -> Path:
        """The figure of all variants."""
        return self.folder / f'{self.stem}.{self.suffix}'


def measure_variants(
    every: Sequence[Variant],
    output: SweepOutput,
    model: tuple[Any, Any],
    common: Mapping[str, Any],
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    write_more: Callable[[Sweep], Path] | None = None,
) -> Sweep:
    """Measure every variant, write its report, compare all of them.

    A variant that cannot be built or measured becomes a gap with its reason,
    unless it is required.

    Args:
        every (sequence of Variant): In order.
        output (SweepOutput): Where, and how.
        model (tuple): Config and checkpoint.
        common (mapping): Arguments of ``run_erf`` for all of them.
        force (bool): Compare even if definitions differ.
        say (callable): Called with one line of text before each variant.
        write_more (callable, optional): Writes one more file.

    Returns:
        Sweep: The runs, the gaps, the comparison and its files.

    Raises:
        ConfigError: If no variant can be measured, the folder cannot be
            written to, or definitions differ and ``force`` is not set.
    """
    runs: dict[str, ERFRun] = {}
    gaps: dict[str, str] = {}
    with _writing(output.folder), recorded_files() as written:
        for number, variant in enumerate(every):
            name = variant.name
            say(f'{number + 1}/{len(every)}: {name}')
            try:
                runs[name] = run_erf(
                    *model, **{**common, **variant.arguments, 'say': say}
                )
            except ERFError as error:
                if variant.required:
                    raise
                gaps[name] = str(error)
                say(f'{name} is left out: {error}')
                continue
            runs[name].notes += same_maps(name, runs)
            inside = output.folder / _folder(number, name)
            suffix = output.suffix
            write_report(runs[name], inside, suffix=suffix, **output.look)
            _check_comparable(runs, force)
        if not runs:
            reasons = list(dict.fromkeys(gaps.values()))
            raise ConfigError(
                'no combination could be measured: ' + '; '.join(reasons[:3])
            )
        result = _compared(every, runs, gaps, force)
        result.files = write_comparison(
            replace(result.comparison, unchanged=unchanged_layers(runs)),
            output.figure,
            title=output.title,
            **output.look,
        )
        more = [] if write_more is None else [write_more(result)]
        record = write_record(
            output.figure.with_suffix('.json'),
            {'variants': _variant_records(every, result)},
            written,
            output.measured,
        )
        result.files += [record, *more]
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
    every: Sequence[Variant],
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
    notes, warnings = notes_of_runs(runs)
    left_out = [f'{name}: {why}' for name, why in comparison.gaps.items()]
    return Sweep(
        runs,
        gaps,
        comparison,
        [*notes, *comparison.notes],
        settings={one.name: one.settings for one in every},
        warnings=[*warnings, *left_out],
    )


def _check_comparable(runs: Mapping[str, ERFRun], force: bool) -> None:
    """Raise ConfigError once results cannot be compared, before the rest."""
    every = by_run_and_layer({n: run.results for n, run in runs.items()})
    check_same_definition(every, force)


def _folder(number: int, name: str) -> str:
    """Name of a variant's folder."""
    return f'{number:02d}_' + re.sub(r'[^\w.=-]+', '_', name)[:80].strip('_')


def _variant_records(every: Sequence[Variant], sweep: Sweep) -> list[dict]:
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
