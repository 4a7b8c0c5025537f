"""Read the results of runs back from their folders and files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...core.atomic_files import file_stem
from ...core.errors import ConfigError, ResultError, StatisticError, one_line
from ...core.results.erf_result import ERFResult
from ...core.results.plain_json import parse_json
from .check_record import check_record, is_by_class

# parts of a path that every run has, no use as its name
_COMMON_PARTS = re.compile(r'erf|vis_data|\d{8}_\d{6}|\.*')


def read_run(spec: str | os.PathLike) -> dict[str, ERFResult]:
    """Results of a run by layer, in the order in which they were measured.

    Args:
        spec: An out dir of ``tools/erf.py``; an ``erf`` folder of a run's
            ``vis_data``, its last step or ``FOLDER@STEP``; or one ``.npz``.
            A folder that holds one such folder, itself or in its ``erf``
            or ``vis_data``, may be given instead.

    Returns:
        dict[str, ERFResult]: By layer key.

    Raises:
        ConfigError: If the run or step does not exist.
        ResultError: If one of its files is damaged.
    """
    path, step = split_step(spec)
    if os.path.isfile(path):
        if path.suffix != '.npz':
            raise ConfigError(
                f'{path} is not a run; give a folder of results or an .npz'
            )
        if step is not None:
            raise ConfigError(f'{spec}: a single .npz has no steps')
        result = ERFResult.load(path)
        return {result.layer: result}
    folder = find_folder(path)
    if (folder / 'erf.json').is_file():
        if step is not None:
            raise ConfigError(
                f'{spec}: an out dir has no steps; steps are in the erf '
                "folder of a training's vis_data"
            )
        layers = list(_json(folder / 'erf.json', 'layers'))
        return _load(folder, layers)
    history = read_history(folder)
    steps = sorted({record['step'] for record in history})
    if step is None:
        step = steps[-1]
    if step not in steps:
        raise ConfigError(
            f'{folder} has no step {step}; it has {", ".join(map(str, steps))}'
        )
    layers = [r['layer'] for r in history if r['step'] == step]
    return _load(folder / str(step), layers)


def is_training(spec: str | os.PathLike) -> bool:
    """Whether a spec is a training's folder, all of its steps.

    Raises:
        ConfigError: If it is a folder that holds no run.
    """
    path, step = split_step(spec)
    if step is not None or not path.is_dir():
        return False
    return not (find_folder(path) / 'erf.json').is_file()


def read_history(spec: str | os.PathLike) -> list[dict]:
    """The lines of a training's ``erf.jsonl``, one per layer and step.

    Those with contributions by class are left out.

    Args:
        spec: The ``erf`` folder of a run's ``vis_data``, or one that holds
            it.

    Returns:
        list[dict]: Each with ``step``, ``layer``, ``statistics`` and so on,
        sorted by step.

    Raises:
        ConfigError: If there is no such file, or ``spec`` is a single step
            or result.
        ResultError: If the file is damaged or empty.
    """
    path, step = split_step(spec)
    whole = step is None and not os.path.isfile(path)
    if whole:
        path = find_folder(path) / 'erf.jsonl'
    if not (whole and os.path.isfile(path)):
        raise ConfigError(
            f'{one_line(spec)} is a single step or result, not a training; '
            "give the erf folder of a training's vis_data"
        )
    lines = path.read_bytes().splitlines()
    try:
        records = [parse_json(line) for line in lines if line.strip()]
        records = [record for record in records if not is_by_class(record)]
        for record in records:
            check_record(record)
    except (KeyError, StatisticError, TypeError, ValueError) as error:
        raise ResultError(
            f'{path} is damaged ({type(error).__name__}: '
            f'{one_line(error, 160)}); measure again'
        ) from error
    records.sort(key=lambda record: record['step'])
    if not records:
        raise ResultError(f'{path} holds no measurement')
    return records


def find_folder(path: Path) -> Path:
    """The folder with ``erf.json`` or ``erf.jsonl``: a path, or inside it.

    Raises:
        ConfigError: If there is none; names those further inside.
    """
    if not os.path.isdir(path):
        raise ConfigError(f'there is no run {one_line(path)}')
    for inside in ('', 'erf', 'vis_data/erf'):
        folder = path / inside
        if any((folder / n).is_file() for n in ('erf.json', 'erf.jsonl')):
            return folder
    for inside in ('*/erf.json', 'erf/*/erf.json'):
        found = [file.parent for file in path.glob(inside)]
        if len(found) == 1:
            return found[0]
    found = sorted(
        {
            file.parent
            for file in path.rglob('erf.json*')
            if file.parent.parent.name != 'images'
        }
    )
    names = ', '.join(map(str, found[:4]))
    hint = f'; give one of {names}' if found else ''
    raise ConfigError(
        f'{path} holds neither erf.json nor erf.jsonl, so it is no run{hint}'
    )


def runs_by_name(
    specs: Sequence[str | os.PathLike], names: Sequence[str] | None
) -> dict[str, str | os.PathLike]:
    """Runs by the given names, or else by names made of their paths.

    Raises:
        ConfigError: If there is not one name per run, or two are the same.
    """
    if names is not None and len(names) != len(specs):
        raise ConfigError(
            f'{len(names)} name(s) for {len(specs)} run(s); give one per run'
        )
    chosen = list(names or run_names(specs))
    if len(set(chosen)) < len(chosen):
        raise ConfigError(
            'two runs have the same name; give different names with --names'
        )
    return dict(zip(chosen, specs, strict=True))


def run_names(specs: Sequence[str | os.PathLike]) -> list[str]:
    """Short names of runs, all different; whole paths where that fails.

    Example:
        >>> run_names(['work_dirs/fcn/20250101_010101/vis_data/erf@40',
        ...            'work_dirs/fcn/20250101_010101/vis_data/erf@160'])
        ['fcn, step 40', 'fcn, step 160']
        >>> run_names(['work_dirs/fcn/erf/iter_160', 'work_dirs/mit/erf/init'])
        ['fcn/iter_160', 'mit/init']
        >>> run_names(['a/fcn/erf', 'b/fcn/erf'])
        ['a', 'b']
    """
    steps, every, tails = [], [], []
    for spec in specs:
        path, step = split_step(spec)
        plain = path.with_suffix('') if path.suffix == '.npz' else path
        parts = [p for p in plain.parts if not _COMMON_PARTS.fullmatch(p)]
        every.append(parts or [str(plain)])
        in_erf = plain == path and path.parent.name == 'erf'  # <config>/erf/
        tails.append(every[-1][-2 if in_erf else -1 :])
        steps.append('' if step is None else f', step {step}')
    for kept in (_without_shared(tails), tails, _without_shared(every)):
        names = [
            '/'.join(parts) + step
            for parts, step in zip(kept, steps, strict=True)
        ]
        if all(kept) and len(set(names)) == len(names):
            return names
    return [os.fspath(spec) for spec in specs]


def _without_shared(every: Sequence[list[str]]) -> list[list[str]]:
    """Each list without what all of them have."""
    shared = set.intersection(*map(set, every))
    return [[part for part in parts if part not in shared] for parts in every]


def split_step(spec: str | os.PathLike) -> tuple[Path, int | None]:
    """Path and step of ``PATH@STEP``; an existing path is never split."""
    name = os.fspath(spec)
    match = re.fullmatch(r'(.+)@(\d{1,15})', name)
    if match is None or os.path.exists(name):
        return Path(name), None
    return Path(match[1]), int(match[2])


def _load(folder: Path, layers: Sequence[str]) -> dict[str, ERFResult]:
    return {
        layer: ERFResult.load(folder / f'{file_stem(layer)}.npz')
        for layer in layers
    }


def _json(path: Path, key: str) -> dict:
    content = path.read_bytes()
    try:
        return dict(parse_json(content)[key])
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f'{path} is damaged; measure again') from error
