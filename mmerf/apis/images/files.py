"""Image files that the user names: a folder's, or one."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from ...core.errors import ImageError, one_line, printable

SUFFIXES = tuple(
    '.bmp .gif .jpeg .jpg .jp2 .pbm .pgm .png .ppm .tif .tiff .webp'.split()  # noqa: SIM905
)
_LOOKED_AT = 10_000  # files of a folder, to say what it holds


def image_files(given: str | os.PathLike) -> list[str]:
    """Paths of a folder's images, with its subfolders'; or of one file.

    Args:
        given: A folder, in which suffixes tell the images; or a file of any
            suffix.

    Raises:
        ImageError: If there is neither, or no image in the folder.
    """
    if os.path.isfile(given):
        return [os.fspath(given)]
    if not os.path.isdir(given):
        raise ImageError(
            f'there is no folder {one_line(given)}, nor such a file'
        )
    paths = sorted(
        str(path)
        for path in Path(given).rglob('*')
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith('.')
        and os.path.isfile(path)
    )
    if not paths:
        raise ImageError(
            f'there is no image in {one_line(given)}, which holds '
            f'{suffixes_in(given)}; known suffixes are {" ".join(SUFFIXES)}; '
            'a file of another suffix is measured if it is named itself'
        )
    return paths


def suffixes_in(folder: str | os.PathLike) -> str:
    """The suffixes that lie in a folder and its subfolders, for messages.

    Returns:
        str: Such as ``'.png (5, such as a.png), .txt (1, ...)'``, the most
        frequent first and at most three; ``'no file'``.
    """
    names: dict[str, list[str]] = {}
    for path in islice(Path(folder).rglob('*'), _LOOKED_AT):
        if os.path.isfile(path):
            names.setdefault(path.suffix, []).append(path.name)
    most = sorted(names.items(), key=lambda item: -len(item[1]))[:3]
    return (
        ', '.join(
            f'{printable(suffix) or "no suffix"} ({len(same)}, such as '
            f'{one_line(min(same), 60)})'
            for suffix, same in most
        )
        or 'no file'
    )
