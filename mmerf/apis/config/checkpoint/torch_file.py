"""The two file formats of ``torch.save``, read without running code."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from .pickle_globals import storage_type
from .stored import Storage, checked_count
from .unpickle import SafeUnpickler

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of torch before 1.6
_LEGACY_VERSION = 1001
_LOCAL_HEADER = 30  # bytes of a zip's local header, before name and extra


def read_checkpoint(content: bytearray) -> Any:
    """What a file of ``torch.save`` holds; tensors as ``StoredTensor``.

    Args:
        content (bytearray): The file; tensors will be views of it.

    Returns:
        Any: Plain dicts, lists, tuples, numbers and text, and the classes of
        ``stored``.

    Raises:
        UnsafeGlobalError: If its pickle asks for anything that could run
            code.
        Exception: If the file is damaged.
    """
    if content.startswith(b'PK'):
        return _read_zip(content)
    return _read_legacy(content)


def _read_zip(content: bytearray) -> Any:
    """As of torch 1.6: a zip of a pickle and one entry per storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    inside = [re.fullmatch(r'([^/]*/)data\.pkl', name) for name in entries]
    folders = [match[1] for match in inside if match]
    if len(folders) != 1:
        raise ValueError(f'it holds {len(folders)} data.pkl')
    (folder,) = folders

    @cache
    def place(name: str) -> tuple[int, int]:
        """Where an entry's bytes begin and end, once they are checked."""
        entry = entries[f'{folder}{name}']
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ValueError(f'{name} is compressed')
        lengths = struct.unpack_from('<HH', content, entry.header_offset + 26)
        begin = entry.header_offset + _LOCAL_HEADER + sum(lengths)
        end = begin + entry.file_size
        with memoryview(content) as whole:
            if end > len(whole) or zlib.crc32(whole[begin:end]) != entry.CRC:
                raise ValueError(f'{name} is damaged')
        return begin, end

    def storage(reference: Any) -> Storage:
        kind, key, count = _reference(reference, 5)
        begin, end = place(f'data/{key}')
        if count * kind.itemsize > end - begin:
            raise ValueError(f'data/{key} is too short')
        return Storage(kind, count, lambda: (content, begin))

    if f'{folder}byteorder' in entries:
        begin, end = place('byteorder')
        if content[begin:end] != b'little':
            raise ValueError('its numbers are big-endian')
    begin, end = place('data.pkl')
    return _unpickle_next(io.BytesIO(content[begin:end]), storage)


def _read_legacy(content: bytearray) -> Any:
    """Before torch 1.6: pickles, followed by every storage's numbers."""
    file = io.BytesIO(content)

    def none(reference: Any) -> None:
        raise ValueError('a storage in the header')

    for expected in (_MAGIC_NUMBER, _LEGACY_VERSION):
        if _unpickle_next(file, none) != expected:
            raise ValueError('it does not begin as torch.save writes')
    _unpickle_next(file, none)  # the system that wrote it
    kinds: dict[str, Any] = {}
    places: dict[str, tuple[int, int]] = {}

    def storage(reference: Any) -> Storage:
        kind, key, count = _reference(reference, 6)
        if kinds.setdefault(key, kind) is not kind:
            raise ValueError(f'storage {key} has two types')
        start = 0
        if reference[5] is not None:
            _, start, count = reference[5]
        first, count = (
            checked_count(start) * kind.itemsize,
            checked_count(count),
        )

        def find() -> tuple[bytearray, int]:
            begin, end = places[key]
            if first + count * kind.itemsize > end - begin:
                raise ValueError(f'storage {key} is too short')
            return content, begin + first

        return Storage(kind, count, find)

    found = _unpickle_next(file, storage)
    place = 0
    for key in _unpickle_next(file, none):
        place = place or file.tell()
        (count,) = struct.unpack_from('<q', content, place)
        begin = place + 8
        place = begin + checked_count(count) * kinds[key].itemsize
        if place > len(content):
            raise ValueError(f'storage {key} is cut short')
        places[key] = begin, place
    return found


def _unpickle_next(file: io.BytesIO, storage: Callable[[Any], Any]) -> Any:
    size = file.getbuffer().nbytes
    return SafeUnpickler(file, size, storage).load()


def _reference(reference: Any, length: int) -> tuple[Any, str, int]:
    """Type, key and number of elements of a reference to a storage."""
    if type(reference) is not tuple or len(reference) != length:
        raise ValueError('a reference is none to a storage')
    word, kind, key, _, count = reference[:5]
    if word != 'storage' or type(key) is not str:
        raise ValueError('a reference is none to a storage')
    return storage_type(kind), key, checked_count(count)
