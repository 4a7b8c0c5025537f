"""Whether an image file is whole, before the pipeline's reader loads it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ...core.errors import ImageError, one_line
from .files import SUFFIXES

# TIFF, BigTIFF and JPEG 2000: files of any bands and depths, of which Pillow
# knows few, and whose readers refuse what is cut.
_LEFT_TO_READERS = (
    *(b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'),
    *(b'\0\0\0\x0cjP  ', b'\xff\x4f\xff\x51'),
)
MOST_PIXELS = 2**30  # of an image; OpenCV's own limit


def check_image(path: str) -> None:
    """Raise ImageError where an image file is damaged.

    Some versions of OpenCV silently pad a truncated JPEG or PNG with grey;
    Pillow raises. TIFFs, and formats that Pillow does not know, are left to
    the pipeline's own reader.
    """
    if not os.path.isfile(path):
        return
    with open(path, 'rb') as file:
        if file.read(8).startswith(_LEFT_TO_READERS):
            return
    try:
        with _pixel_limit(MOST_PIXELS), Image.open(path) as image:
            image.draft(image.mode, (1, 1))  # a JPEG is decoded smaller
            image.load()
    except UnidentifiedImageError as error:
        if Path(path).suffix.lower() in SUFFIXES:
            raise ImageError('it is not an image') from error
    except Image.DecompressionBombError as error:
        raise ImageError(f'it is too large: {one_line(error)}') from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f'it is damaged: {one_line(error)}') from error


@contextmanager
def _pixel_limit(most: int) -> Iterator[None]:
    """Let Pillow open images of up to this many pixels, without a warning."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most // 2  # it warns there, raises at twice
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
