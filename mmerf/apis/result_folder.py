"""Where a tool's results go, so that none replaces another's silently.

Every result has a record, such as ``erf.json``, which says what was measured
and lists its files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ..core.atomic_files import check_file_name, write_text
from ..core.errors import ConfigError, one_line
from ..core.results.plain_json import parse_json

RECORDS = {  # of each tool; those of one tool may share a folder
    'erf': ('erf.json',),
    'context': ('context.json', 'ranking.json'),
    'tiles': ('tiles.json',),
    'sweep': ('sweep.json',),
    'each_without': ('without.json',),
    'questions': ('questions.json',),
    'compare': ('compare.json',),
    'growth': ('growth.json',),
}
_WRITTEN = ('.npz', '.png', '.pdf', '.svg', '.csv', '.md', '.tex', '.json')
_LONGEST_PART = 60  # characters of each part of a folder's name


@dataclass(frozen=True)
class ResultFolder:
    """A folder that is free for a result.

    Attributes:
        path (Path): The folder; it may not exist yet.
        measured (dict): What the result is of, as its record will say.
        note (str): What its user should know; empty if nothing.
    """

    path: Path
    measured: dict[str, Any]
    note: str = ''


def result_folder(
    given: str | os.PathLike | None,
    parent: str | os.PathLike,
    parts: Iterable[str],
    record: str,
    measured: Mapping[str, Any],
) -> ResultFolder:
    """The folder of a result: as given, or one that names what is measured.

    A result of the same is replaced, and the note says so. By default a
    result of something else stays: the next free folder is taken, ``-2``
    behind its name, and the note says why.

    Args:
        given (path, optional): ``--out-dir``.
        parent: Of the default folder, such as ``work_dirs/fcn/erf``.
        parts (iterable of str): What the default folder is named after.
        record (str): Name of the result's record, one of ``RECORDS``.
        measured (mapping): What is measured, by option; plain JSON.

    Raises:
        ConfigError: If the given folder is a file, holds a result of
            something else, or no folder can have its name.
    """
    plain = json.loads(json.dumps(dict(measured), default=str))
    if given is not None:
        folder = Path(given)
        check_out_folder(folder)
        if other := _another_result(folder, record, plain):
            raise ConfigError(
                f'{folder} holds {other}; name another folder with --out-dir, '
                'or remove that one'
            )
        return ResultFolder(folder, plain, _replacing(folder, record))
    cleaned = (re.sub(r'[^\w.=-]+', '_', one).strip('_.') for one in parts)
    name = '_'.join(one[:_LONGEST_PART] for one in cleaned if one)
    first = Path(parent) / name
    if not first.exists():
        return ResultFolder(first, plain)
    why = ''
    for number in count(2):
        folder = (
            first if number == 2 else first.with_name(f'{name}-{number - 1}')
        )
        check_out_folder(folder)
        other = _another_result(folder, record, plain)
        if not other:
            break
        why = why or f'{folder} holds {other}'
    note = _replacing(folder, record)
    if why:
        note = '; '.join(filter(None, (f'{why}: see {folder}', note)))
    return ResultFolder(folder, plain, note)


def check_out_folder(folder: str | os.PathLike) -> None:
    """Refuse an out dir before anything is measured for it.

    Raises:
        ConfigError: If it is a file, or no folder can have its name.
    """
    check_file_name(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f'{folder} is a file; name a folder with --out-dir')


def write_record(
    path: Path,
    record: Mapping[str, Any],
    files: Sequence[Path],
    measured: Mapping[str, Any] | None = None,
) -> Path:
    """Write a result's record, and remove what only the older one lists.

    Args:
        path (Path): The record, in the folder of the result.
        record (mapping): Plain JSON. It gets two more keys: ``measured``,
            and ``files``, the names of the files inside the folder.
        files (sequence of Path): Every other file of the result.
        measured (mapping, optional): Of the :class:`ResultFolder`.

    Returns:
        Path: The record.
    """
    old = _read_record(path) or {}
    names = [
        Path(os.path.relpath(file, path.parent)).as_posix() for file in files
    ]
    whole = {**record, 'measured': measured, 'files': names}
    write_text(path, json.dumps(whole, indent=1, default=str) + '\n')
    if isinstance(listed := old.get('files'), list):
        for name in listed:
            if isinstance(name, str) and name not in names:
                _remove_listed(path.parent, name)
    return path


def _remove_listed(folder: Path, name: str) -> None:
    """Remove a listed file, and a folder that it leaves empty."""
    file = folder / name
    with suppress(OSError, ValueError):
        home = os.path.join(os.path.realpath(folder), '')
        inside = os.path.realpath(file).startswith(home)
        if not inside or file.suffix not in _WRITTEN:
            return  # no list of ours
        file.unlink()
        for parent in file.relative_to(folder).parents:
            if parent.parts:
                (folder / parent).rmdir()


def _another_result(
    folder: Path, record: str, measured: Mapping[str, Any]
) -> str:
    """What a folder holds that must stay, in words; empty if nothing."""
    tool = next(tool for tool, names in RECORDS.items() if record in names)
    for other, names in RECORDS.items():
        if other != tool and any((folder / name).exists() for name in names):
            return f'a result of another kind ({other})'
    path = folder / record
    if not os.path.lexists(path):
        return ''
    old = _read_record(path)
    if old is None:
        return f'a {record} that is not of this tool'
    if not isinstance(old.get('measured'), dict):
        return 'a result that does not say what was measured'
    for key in dict.fromkeys((*old['measured'], *measured)):
        there, here = old['measured'].get(key), measured.get(key)
        if not _means_the_same(there, here):
            option = key.replace('_', ' ')
            return (
                f'a result of something else ({option}: {_in_words(there)} '
                f'there, {_in_words(here)} here)'
            )
    return ''


def _means_the_same(one: Any, other: Any) -> bool:
    """Whether two values of an option mean the same; paths may."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_means_the_same, one, other))
    if one == other or not (isinstance(one, str) and isinstance(other, str)):
        return one == other
    try:
        return os.path.exists(one) and os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _in_words(value: Any) -> str:
    return 'none' if value is None else one_line(value, 60)


def _replacing(folder: Path, record: str) -> str:
    if not (folder / record).exists():
        return ''
    return f'replaces the earlier result of the same in {folder}'


def _read_record(path: Path) -> dict | None:
    """A record; None if there is none, or the file is no such thing."""
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
