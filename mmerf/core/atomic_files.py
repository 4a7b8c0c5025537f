"""Files that appear whole or not at all, with names safe for any layer."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from .errors import ConfigError, one_line

try:
    import fcntl
except ImportError:  # not on this system: the last of two writers wins
    fcntl = None  # type: ignore[assignment]

_LONGEST = 120  # characters of a file's stem; most systems allow 255 bytes
_LONGEST_NAME = 255  # bytes
_PART = ('.writing-', '.part')  # prefix and suffix of a file being written
_OLD = 3600  # seconds since its last byte: whoever wrote it was killed
_recorders: list[list[Path]] = []


def file_stem(name: str) -> str:
    """A layer's name as a file name that cannot leave its folder.

    Letters, digits and ``[ ] _ - @ .`` stay; anything else is
    percent-encoded, so that different names give different files. Long names
    are cut and end in a hash of the whole.

    Example:
        >>> file_stem('backbone[3]')
        'backbone[3]'
        >>> file_stem('../x')
        '%2E.%2Fx'
    """
    stem = quote(name, safe='[]@', errors='surrogatepass')
    if not stem:
        return '%-'  # which no name gives
    if stem.startswith('.'):
        stem = '%2E' + stem[1:]
    if len(stem) > _LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
        stem = f'{stem[: _LONGEST - 17]}-{digest}'
    return stem


def write_whole(
    path: str | os.PathLike, write: Callable[[BinaryIO], object]
) -> Path:
    """Write a temporary file, then rename it into place.

    Args:
        path: Where the file appears; its folder is created.
        write (callable): Writes the content to an open binary file.

    Returns:
        Path: The file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_old_parts(path.parent)
    prefix, suffix = _PART
    handle, aside = tempfile.mkstemp(suffix, prefix, path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    finally:  # also where an interrupt comes
        if os.path.exists(aside):
            os.unlink(aside)
        else:
            for record in _recorders:
                record.append(path)
    return path


def write_text(path: str | os.PathLike, text: str) -> Path:
    r"""Write a text file as UTF-8; it appears whole or not at all.

    Halves of characters, which UTF-8 has not, are written as ``\udc80``.
    """
    content = text.encode(errors='backslashreplace')
    return write_whole(path, lambda file: file.write(content))


@contextmanager
def recorded_files() -> Iterator[list[Path]]:
    """Yield a list that grows by every file that is written meanwhile."""
    record: list[Path] = []
    _recorders.append(record)
    try:
        yield record
    finally:
        _recorders[:] = [own for own in _recorders if own is not record]


def check_file_name(path: str | os.PathLike) -> None:
    """Refuse a path that no file or folder can have.

    Raises:
        ConfigError: If the system has no such names, or a part of the path
            is a file.
    """
    try:
        longest = max(len(os.fsencode(part)) for part in Path(path).parts)
        if longest > _LONGEST_NAME:
            raise OSError(f'a name of {longest} bytes is too long')
        os.lstat(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise ConfigError(
            f'{one_line(path, 160)} cannot be written to: '
            f'{one_line(reason, 160)}'
        ) from error


def _remove_old_parts(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote."""
    prefix, suffix = _PART
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if not (name.startswith(prefix) and name.endswith(suffix)):
                continue
            with suppress(OSError):  # another process was faster
                info = entry.stat(follow_symlinks=False)
                if time.time() - info.st_mtime > _OLD:
                    os.unlink(entry.path)


@contextmanager
def folder_lock(folder: str | os.PathLike) -> Iterator[None]:
    """Lock a folder; other processes that lock it wait.

    For files that are read, changed and written again, so that two runs in
    one folder do not lose each other's changes. The system releases the lock
    when the process ends, however it ends. Without effect where the system
    or the file system has no locks.

    Args:
        folder: An existing folder.

    Raises:
        OSError: If the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
