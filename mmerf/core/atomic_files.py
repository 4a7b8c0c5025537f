"""Files that appear whole or not at all, with names safe for any layer."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

try:
    import fcntl
except ImportError:  # not on this system: the last of two writers wins
    fcntl = None  # type: ignore[assignment]

_LONGEST = 120  # characters of a file's stem; most systems allow 255 bytes


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
    handle, aside = tempfile.mkstemp(
        dir=path.parent, prefix='.writing-', suffix='.part'
    )
    try:
        with os.fdopen(handle, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return path


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write a text file as UTF-8; it appears whole or not at all."""
    return write_whole(path, lambda file: file.write(text.encode()))


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
