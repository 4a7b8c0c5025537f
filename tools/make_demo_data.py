"""Make the demo's texture data set from scikit-image's photographs.

Four classes: photo, brick, grass, gravel; regions of varied shape; in
mmseg's folder format, the same bytes for the same seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as skdata
from skimage.draw import disk, ellipse, polygon

CLASSES = ('photo', 'brick', 'grass', 'gravel')
PHOTOS = (
    'astronaut',
    'chelsea',
    'coffee',
    'rocket',
    'retina',
    'stereo_motorcycle',
)
SIZE = 128  # px, the images' height and width
REGIONS = (3, 7)  # fewest and most regions laid over the background


def load_photos() -> dict[str, np.ndarray]:
    """The photographs inside the wheel, (H, W, 3), uint8, by name."""
    photos = {}
    for name in PHOTOS:
        picture = getattr(skdata, name)()
        picture = picture[0] if isinstance(picture, tuple) else picture
        photos[name] = np.ascontiguousarray(picture[..., :3])
    return photos


def load_textures() -> list[np.ndarray]:
    """Brick, grass and gravel, (H, W, 3), uint8."""
    grey = (skdata.brick(), skdata.grass(), skdata.gravel())
    return [np.repeat(texture[..., None], 3, axis=2) for texture in grey]


def random_crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A SIZE x SIZE part of a picture, at a random place, maybe mirrored."""
    top = rng.integers(picture.shape[0] - SIZE + 1)
    left = rng.integers(picture.shape[1] - SIZE + 1)
    part = picture[top : top + SIZE, left : left + SIZE]
    return part[:, ::-1] if rng.random() < 0.5 else part


def random_region(rng: np.random.Generator) -> np.ndarray:
    """A disk, ellipse, star-shaped polygon or half-plane, (SIZE, SIZE)."""
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    kind = rng.integers(4)
    row, column = rng.integers(0, SIZE, size=2)
    radius = rng.integers(14, 44)
    if kind == 0:
        mask[disk((row, column), radius, shape=mask.shape)] = True
    elif kind == 1:
        other = max(8, int(radius * rng.uniform(0.3, 0.8)))
        turn = rng.uniform(0, np.pi)
        place = ellipse(
            row, column, radius, other, shape=mask.shape, rotation=turn
        )
        mask[place] = True
    elif kind == 2:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 10)))
        reach = radius * rng.uniform(0.5, 1.2, angles.size)
        rows, columns = (
            row + reach * np.sin(angles),
            column + reach * np.cos(angles),
        )
        mask[polygon(rows, columns, shape=mask.shape)] = True
    else:
        angle = rng.uniform(0, 2 * np.pi)
        grid = np.arange(SIZE) - SIZE / 2
        side = grid[:, None] * np.sin(angle) + grid[None] * np.cos(angle)
        mask[side > rng.uniform(0.1, 0.4) * SIZE] = True
    return mask


def make_image(
    sources: list[list[np.ndarray]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One image and its labels.

    Args:
        sources (list): Pictures of each class, in the order of CLASSES.
        rng (np.random.Generator): Every random draw comes from it.

    Returns:
        tuple[np.ndarray, np.ndarray]: (SIZE, SIZE, 3) uint8 and
        (SIZE, SIZE) uint8, class indices.
    """

    def patch(label: int) -> np.ndarray:
        pictures = sources[label]
        picture = random_crop(pictures[rng.integers(len(pictures))], rng)
        light = rng.uniform(0.75, 1.15)
        return np.clip(picture * light, 0, 255).astype(np.uint8)

    label = int(rng.integers(len(CLASSES)))
    image, labels = patch(label), np.full((SIZE, SIZE), label, np.uint8)
    for _ in range(rng.integers(*REGIONS)):
        label = int(rng.integers(len(CLASSES)))
        mask = random_region(rng)
        image[mask], labels[mask] = patch(label)[mask], label
    return image, labels


def make_data(
    root: str | Path, train: int = 80, val: int = 20, seed: int = 0
) -> Path:
    """Write the data set.

    Args:
        root: Its folder; gets ``img_dir`` and ``ann_dir``, each with
            ``train`` and ``val``, and ``photos``, the photographs uncut.
        train, val (int): Number of images in each split.
        seed (int): The same seed gives the same bytes.

    Returns:
        Path: The folder.
    """
    root = Path(root)
    rng = np.random.default_rng(seed)
    photos = load_photos()
    sources = [list(photos.values()), *([t] for t in load_textures())]
    for split, count in (('train', train), ('val', val)):
        for kind in ('img_dir', 'ann_dir'):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, labels = make_image(sources, rng)
            name = f'{number:03d}.png'
            Image.fromarray(image).save(root / 'img_dir' / split / name)
            Image.fromarray(labels).save(root / 'ann_dir' / split / name)
    (root / 'photos').mkdir(exist_ok=True)
    for name, photo in photos.items():
        Image.fromarray(photo).save(root / 'photos' / f'{name}.png')
    return root


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default, purpose in (
        ('--root', 'data/texture', 'folder of the data set'),
        ('--train', 80, 'number of images to train on'),
        ('--val', 20, 'number of images to validate on'),
        ('--seed', 0, 'seed of every random draw'),
    ):
        parser.add_argument(
            option,
            type=type(default),
            default=default,
            help=f'{purpose} (default: %(default)s)',
        )
    args = parser.parse_args()
    root = make_data(args.root, args.train, args.val, args.seed)
    print(f'wrote {args.train} + {args.val} images and the photos to {root}')


if __name__ == '__main__':
    main()
