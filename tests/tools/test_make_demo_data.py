import hashlib

import numpy as np
from make_demo_data import CLASSES, make_data
from PIL import Image


def digest(root):
    found = hashlib.sha256()
    for path in sorted(root.rglob('*.png')):
        found.update(str(path.relative_to(root)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def test_same_seed_same_bytes(tmp_path):
    one, two, other = (
        make_data(tmp_path / name, train=6, val=2, seed=seed)
        for name, seed in (('a', 1), ('b', 1), ('c', 2))
    )
    assert digest(one) == digest(two) != digest(other)


def test_is_mmsegs_folder_format_with_every_class(tmp_path):
    root = make_data(tmp_path, train=12, val=3)
    seen = set()
    for split, count in (('train', 12), ('val', 3)):
        images = sorted((root / 'img_dir' / split).iterdir())
        labels = sorted((root / 'ann_dir' / split).iterdir())
        assert [p.name for p in images] == [p.name for p in labels]
        assert len(images) == count
        for image, label in zip(images, labels, strict=True):
            assert np.asarray(Image.open(image)).shape == (128, 128, 3)
            array = np.asarray(Image.open(label))
            assert array.shape == (128, 128) and array.dtype == np.uint8
            seen |= set(np.unique(array).tolist())
    assert seen == set(range(len(CLASSES)))
    assert len(list((root / 'photos').iterdir())) == 6
