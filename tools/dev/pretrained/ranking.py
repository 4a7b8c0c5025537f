"""Whether InputGradient beats random order on U2-Net: ranking.py ONNX PHOTOS.

InputGradient alone, on 4 x 4 units, in five steps, against three random orders
(2,000 forwards of one second on one core): the tool's own settings, with five
attributions, need hours.
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
        draws=3,
        layer='logits',
        target={'type': 'UnitGrid', 'rows': 4, 'columns': 4},
        num_images=6,
        img_dir=photos,
        input_size=(320, 320),
        batch_size=1,
        progress=lambda done, count: print(f'{done}/{count}', flush=True),
    )
    print(run.result.areas[0], run.result.ranked()[0])


if __name__ == '__main__':
    main()
