"""Images as people have them, and as nobody should."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.mmseg_configs import config_of
from PIL import Image

from mmerf.apis import run_erf
from mmerf.apis.config.config_file import load_config
from mmerf.apis.images.open_images import open_images

RNG = np.random.default_rng(0)


def rgb(h=32, w=48):
    return Image.fromarray(RNG.integers(0, 255, (h, w, 3), np.uint8))


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return (
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', crc)
    )


def bomb(path, side):
    """A PNG of a few bytes that says it is side x side."""
    header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(b'\0' * 100))
        + chunk(b'IEND', b'')
    )


def animated(path):
    frames = [rgb(), rgb(), rgb()]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def rotated(path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    rgb(32, 48).save(path, exif=exif)


def deep(path):
    array = RNG.integers(0, 2**16, (32, 48)).astype(np.uint16)
    Image.fromarray(array).save(path)


def floats(path):
    Image.fromarray(RNG.random((32, 48)).astype(np.float32)).save(path)


GOOD = {  # name: how it is written, (H, W) as it is measured
    'animated.gif': (animated, (32, 48)),
    'animated.webp': (animated, (32, 48)),
    'animated.png': (animated, (32, 48)),
    'cmyk.jpg': (lambda p: rgb().convert('CMYK').save(p), (32, 48)),
    'palette.png': (lambda p: rgb().convert('P').save(p), (32, 48)),
    'bits.png': (lambda p: rgb().convert('1').save(p), (32, 48)),
    'alpha.png': (lambda p: rgb().convert('RGBA').save(p), (32, 48)),
    'grey alpha.png': (lambda p: rgb().convert('LA').save(p), (32, 48)),
    'deep.png': (deep, (32, 48)),
    'deep.tif': (deep, (32, 48)),
    'exif.jpg': (rotated, (48, 32)),
    'one.png': (lambda p: rgb(1, 1).save(p), (1, 1)),
    'flat.png': (lambda p: rgb(1, 10000).save(p), (1, 10000)),
    'tall.png': (lambda p: rgb(10000, 1).save(p), (10000, 1)),
    'a png.jpg': (lambda p: rgb().save(p, format='PNG'), (32, 48)),
    'ünïcode \u200b.png': (lambda p: rgb().save(p), (32, 48)),
}


def cut(path, kind):
    rgb(320, 480).save(path, format=kind)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


BAD = {  # name: how it is written, how the reason reads
    'bomb.png': (lambda p: bomb(p, 60_000), 'it is too large'),
    'large bomb.png': (lambda p: bomb(p, 2**31 - 1), 'it is'),
    'small bomb.png': (lambda p: bomb(p, 12_000), 'it is damaged'),
    'cut.jpg': (lambda p: cut(p, 'JPEG'), 'truncated'),
    'cut.png': (lambda p: cut(p, 'PNG'), 'truncated'),
    'cut.webp': (lambda p: cut(p, 'WEBP'), 'it is'),
    'empty.png': (lambda p: p.write_bytes(b''), 'it is not an image'),
    'zeros.png': (lambda p: p.write_bytes(b'\0' * 999), 'it is not an image'),
    'text.jpg': (lambda p: p.write_text('text'), 'it is not an image'),
    'floats.tif': (floats, 'failed to load'),
}


@pytest.fixture
def cfg(data_root, tmp_path):
    return load_config(config_of(data_root, tmp_path))


@pytest.mark.parametrize('name', GOOD)
def test_images_of_every_kind_are_loaded(name, cfg, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    write, size = GOOD[name]
    write(folder / name)
    source = open_images(cfg, folder)
    batches = list(source.batches([0], 1))
    assert not source.skipped
    assert tuple(batches[0]['inputs'][0].shape) == (3, *size)


@pytest.mark.parametrize('name', BAD)
def test_bad_images_are_skipped_with_one_line_each(name, cfg, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    write, reason = BAD[name]
    write(folder / name)
    source = open_images(cfg, folder)
    assert list(source.batches([0], 1)) == []
    ((path, why),) = source.skipped.items()
    assert Path(path).name == name
    assert reason in why and '\n' not in why and len(why) < 320


def test_thin_images_are_measured(cfg, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in ('one.png', 'flat.png'):
        GOOD[name][0](folder / name)
    run = run_erf(cfg, layers='backbone[0]', img_dir=folder, theory=False)
    result = run.results['backbone[0]']
    assert result.sizes == ((1, 1, 1), (1, 10000, 1)) and not run.skipped


def test_batches_grow_where_more_images_fit(cfg, photos):
    source = open_images(cfg, photos)
    sizes = iter([1, 2, 2, 2])
    batches = source.batches([0, 1, 2], lambda: next(sizes))
    assert [len(batch['inputs']) for batch in batches] == [1, 2]
