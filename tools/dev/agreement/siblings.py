"""Trainings of mmpretrain and mmdet with the hook, against plain autograd.

    tools/dev/agreement/siblings_env.sh      # once: makes .venv-siblings
    PYTHONPATH=. OMP_NUM_THREADS=1 .venv-siblings/bin/python -W ignore \\
        tools/dev/agreement/siblings.py [NAME ...] [--again] [--table]

Each is a whole training by mmengine's Runner, of configs/mmpretrain or
configs/mmdet with another model where the name says so: two iterations on a
few drawn images, one validation, ERFHook and ERFVisBackend by their plain
names. The maps that the backend has saved are compared with plain autograd
in float64 of the trained model on the same images.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from plain import Reader, difference, plain_maps, shake
from runs import arguments, map_of, number, run_all, verdict

sys.path.insert(0, str(Path(__file__).parents[1] / 'smp'))

ROOT = Path(__file__).parents[3]
IMAGES = 3


def one_of(index):
    """Read an output of several."""
    return lambda output: output[index]


def tokens(output):
    """Read a ViT's tokens: the class token in front, a square grid."""
    side = int((output.shape[1] - 1) ** 0.5)
    grid = output[:, 1:].reshape(1, side, side, -1)
    return grid.permute(0, 3, 1, 2)


def outputs(module, count):
    return {f'{module}[{i}]': Reader(module, one_of(i)) for i in range(count)}


def linear_head(channels):
    return dict(type='LinearClsHead', num_classes=4, in_channels=channels)


def itself(output):
    return output


VIT = [f'backbone.layers.{i}' for i in (0, 5, 11)]
STAGES = [f'backbone.stages.{i}' for i in range(4)]
# By name: the package, the layers if not the config's, where each one's map is
# in what its module returns, and the model if not the config's.
CASES = {
    'resnet': (
        'mmpretrain',
        ['backbone'],
        outputs('backbone', 4),
        dict(
            type='ImageClassifier',
            backbone=dict(type='ResNet', depth=18, out_indices=(0, 1, 2, 3)),
            neck=dict(type='GlobalAveragePooling'),
            head=linear_head(512),
        ),
    ),
    'vit': ('mmpretrain', None, {n: Reader(n, tokens) for n in VIT}, None),
    'convnext': (
        'mmpretrain',
        STAGES,
        {n: Reader(n, itself) for n in STAGES},
        dict(
            type='ImageClassifier',
            backbone=dict(type='ConvNeXt', arch='atto', drop_path_rate=0.1),
            head=linear_head(320),
        ),
    ),
    'retinanet': (
        'mmdet',
        None,
        {
            **outputs('backbone', 4),
            **outputs('neck', 5),
            'bbox_head[0][0]': Reader('bbox_head', lambda out: out[0][0]),
        },
        None,
    ),
}
CONFIGS = {
    'mmpretrain': 'configs/mmpretrain/vit_classes.py',
    'mmdet': 'configs/mmdet/retinanet_boxes.py',
}


def draw(path, rng, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = rng.integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(values).save(path)


def draw_classes(root):
    """Images in one folder per class, as CustomDataset reads them."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 2), ('val', 1)):
        for name in 'abcd':
            for i in range(count):
                file = root / split / name / f'{i}.png'
                draw(file, rng, (100, 110))


def draw_boxes(root):
    """Images and boxes in COCO's format."""
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        images, boxes = [], []
        for i in range(4):
            file = f'{split}{i}.png'
            draw(root / 'images' / file, rng, (120, 150))
            images.append(dict(id=i, file_name=file, height=120, width=150))
            box = [20 + i, 30, 40, 50]
            boxes.append(
                dict(
                    id=i,
                    image_id=i,
                    category_id=i % 2,
                    bbox=box,
                    area=2000,
                    iscrowd=0,
                )
            )
        names = ('disc', 'square')
        categories = [dict(id=i, name=name) for i, name in enumerate(names)]
        (root / f'{split}.json').write_text(
            json.dumps(
                dict(images=images, annotations=boxes, categories=categories)
            )
        )


def config_of(name, folder):
    """The example config, for two iterations on drawn images."""
    from mmengine.config import Config, ConfigDict

    package, layers, _, model = CASES[name]
    text = (ROOT / CONFIGS[package]).read_text()
    path = folder / 'config.py'
    for data in ('data/classes', 'data/boxes'):
        text = text.replace(data, str(folder / 'data'))
    text = text.replace('(256, 256)', '(128, 128)')  # of the boxes' images
    path.write_text(text)
    cfg = Config.fromfile(path)  # imports mmerf, as custom_imports says
    if model is not None:
        cfg.model = ConfigDict(model)
    if layers is not None:
        cfg.custom_hooks[0].layers = layers
    for hook in cfg.custom_hooks:
        hook.update(num_images=IMAGES, initial=False, on_error='raise')
    cfg.train_cfg = dict(by_epoch=False, max_iters=2, val_interval=2)
    cfg.log_processor = dict(by_epoch=False)
    cfg.default_hooks.logger.update(interval=1, log_metric_by_epoch=False)
    cfg.default_hooks.checkpoint = None
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, batch_size=2)
    cfg.work_dir = str(folder / 'run')
    return cfg


def measure(name):
    """The record of one training."""
    import mmcv_stand_in
    import with_torchvision

    kept = with_torchvision.declare()  # its declarations last as long
    if CASES[name][0] == 'mmdet':
        mmcv_stand_in.declare()
    from mmengine.runner import Runner

    readers = CASES[name][2]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        draws = {'mmpretrain': draw_classes, 'mmdet': draw_boxes}
        draws[CASES[name][0]](folder / 'data')
        cfg = config_of(name, folder)
        shaken = Runner.from_cfg(cfg).model
        torch.manual_seed(0)
        shaken.init_weights()
        shake(shaken)
        cfg.load_from = str(folder / 'shaken.pth')
        torch.save(shaken.state_dict(), cfg.load_from)
        cfg.experiment_name = f'{name}_trained'
        runner = Runner.from_cfg(cfg)
        began = time.time()
        runner.train()
        seconds = time.time() - began
        saved = saved_maps(folder / 'run')
        images = measured_images(runner)
    exact, single = (
        mean_maps(runner.model, readers, images, dtype)
        for dtype in (torch.float64, torch.float32)
    )
    assert saved.keys() == exact.keys(), (list(saved), list(exact))
    rows = []
    for key, expected in exact.items():
        own = difference(single[key], expected)
        found = difference(saved[key].map, expected)
        rows.append(
            {
                'layer': key,
                'difference': found,
                'own': own,
                'verdict': verdict(found, own),
                'peak': float(expected.max()),
                'grid': saved[key].grid,
                'unit_pixel': saved[key].unit_pixel,
                'run_on': saved[key].provenance.get('run_on'),
            }
        )
    del kept
    return {'rows': rows, 'training': round(seconds, 1)}


def saved_maps(folder):
    """What ERFVisBackend has saved of the validation at step 2."""
    from mmerf import ERFResult

    files = sorted(folder.rglob('erf/2/*.npz'))
    results = [ERFResult.load(file) for file in files]
    return {result.layer: result for result in results}


def measured_images(runner):
    """The network's input of the images that the hook takes, each alone."""
    dataset = runner.val_dataloader.dataset
    collate = runner.val_dataloader.collate_fn
    chosen = [k * len(dataset) // IMAGES for k in range(IMAGES)]
    return [
        runner.model.data_preprocessor(collate([dataset[i]]), False)['inputs']
        for i in chosen
    ]


def mean_maps(model, readers, images, dtype):
    """Mean of every layer's map over the images.

    Without the ReLU where no channel is positive: the head's logits, which
    the config measures so.
    """
    maps = [plain_maps(model, readers, run, x, dtype) for x in images]
    return {
        key: np.mean([map_of(found[key]) for found in maps], axis=0)
        for key in readers
    }


def run(model, image):
    model(image, None, mode='tensor')


def table(records):
    """Print one line per layer."""
    print(
        '| training | layer | grid | verdict | difference | float32 | pixel '
        '| run on | training (s) |'
    )
    print('| --- ' * 9 + '|')
    for record in records:
        if record['error']:
            print(f'| {record["name"]} | - | - | {record["error"]} |')
        for row in record['rows']:
            cells = (
                record['name'],
                row['layer'],
                '{} x {}'.format(*row['grid']),
                row['verdict'] if row['peak'] else 'zero map',
                number(row['difference']),
                number(row['own']),
                '{:g}, {:g}'.format(*row['unit_pixel']),
                row['run_on'] or '-',
                str(record['training']),
            )
            print(f'| {" | ".join(cells)} |')


if __name__ == '__main__':
    run_all(
        arguments(__doc__, 'work_dirs/agreement/siblings.jsonl'),
        CASES,
        measure,
        table,
    )
