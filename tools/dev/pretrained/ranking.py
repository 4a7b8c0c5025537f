"""Whether InputGradient beats random order on U2-Net: ranking.py ONNX PHOTOS.

A short ranking (2 x 2 units, five steps, one random order): a forward at
320 px takes a second on one core, and the tool's own settings need hours.
"""

import sys

from mmerf.apis import run_ranking
from mmerf.apis.module.module_config import module_config


def main() -> None:
    """Rank, and print each image's area and the mean."""
    file, photos = sys.argv[1:]
    run = run_ranking(
        module_config('networks.u2netp', {'file': file}),
        None,
        ['InputGradient'],
        steps=5,
        draws=1,
        layer='logits',
        target={'type': 'UnitGrid', 'rows': 2, 'columns': 2},
        num_images=6,
        img_dir=photos,
        input_size=(320, 320),
        batch_size=1,
        progress=lambda done, count: print(f'{done}/{count} images'),
    )
    print(run.result.areas[0], run.result.ranked()[0])


if __name__ == '__main__':
    main()
