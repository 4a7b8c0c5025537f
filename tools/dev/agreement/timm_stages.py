"""Every stage of timm's models against plain autograd in float64.

    tools/dev/agreement/timm_env.sh          # once: makes .venv-timm
    PYTHONPATH=. OMP_NUM_THREADS=1 .venv-timm/bin/python -W ignore \\
        tools/dev/agreement/timm_stages.py [NAME ...] [--again] [--table]

measures the stages' output modules by ``mmerf.measure_erf`` on one random
image, random weights, and prints a Markdown table. What each module returns
is stated below by hand, from timm 1.0.31's source.
"""

import copy
import sys
from pathlib import Path
from unittest import mock

import torch
from plain import Reader, plain_maps, shake
from runs import arguments, compare, number, run_all

sys.path.insert(0, str(Path(__file__).parents[1] / 'smp'))

SQUARE = ((224, 224),)
BOTH = ((224, 224), (192, 288))  # where the model takes any size
PATCHES, CENTRED = 'patches', 'centred'  # offsets (s - 1) / 2 and 0


def stages(pattern, strides, layout, pixels, front=0, sizes=SQUARE):
    """The stages of one model.

    Args:
        pattern (str): Names of the modules, with ``{}`` for the index.
        strides (dict): Stride by index.
        layout (str): ``'NCHW'``, ``'NHWC'``, ``'tokens'`` (row by row) or
            ``'hiera'`` (tokens in the order of Hiera's ``Unroll``).
        pixels: Where unit i sits: ``PATCHES`` at (i + 0.5) s - 0.5,
            ``CENTRED`` at s i, or offsets by index; None where two paths of
            a model disagree.
        front (int): Class tokens in front.
        sizes (tuple): (H, W) that it is measured at.
    """
    offsets = {PATCHES: lambda s: (s - 1) / 2, CENTRED: lambda s: 0.0}
    layers = {}
    for index, stride in strides.items():
        offset = None
        if pixels in (PATCHES, CENTRED):
            offset = offsets[pixels](stride)
        elif pixels is not None:
            offset = pixels[index]
        layers[pattern.format(index)] = (stride, offset)
    return {'layers': layers, 'layout': layout, 'front': front, 'sizes': sizes}


FOUR = {0: 4, 1: 8, 2: 16, 3: 32}
MODELS = {
    # PatchMerging makes (N, h, w, C) by a reshape; everything else keeps it.
    'swin_tiny_patch4_window7_224': [
        stages('layers.{}', FOUR, 'NHWC', PATCHES)
    ],
    'swinv2_tiny_window8_256': [
        stages('layers.{}', FOUR, 'NHWC', PATCHES, sizes=((256, 256),))
    ],
    'swin_s3_tiny_224': [stages('layers.{}', FOUR, 'NHWC', PATCHES)],
    # Stem 4 x 4, downsampling 2 x 2, no padding.
    'convnext_tiny': [stages('stages.{}', FOUR, 'NCHW', PATCHES, sizes=BOTH)],
    # 3 x 3 with padding 1; between the stages every second token is taken.
    'levit_128s': [
        stages('stages.{}', {0: 16, 1: 32, 2: 64}, 'tokens', CENTRED)
    ],
    # The residual path of a downsampling block is a 2 x 2 mean, the other
    # path a 3 x 3 convolution with padding 1: there is no one pixel.
    'maxvit_tiny_rw_224': [
        stages('stages.{}', {0: 4, 1: 8, 2: 16, 3: 32}, 'NCHW', None)
    ],
    # Stem 7 x 7 with padding 3, downsampling 2 x 2.
    'davit_tiny': [
        stages('stages.{}', FOUR, 'NCHW', (0, 2, 6, 14), sizes=BOTH)
    ],
    'focalnet_tiny_srf': [
        stages('layers.{}', FOUR, 'NCHW', PATCHES, sizes=BOTH)
    ],
    # Patch embedding 7 x 7 with padding 3, then 2 x 2 maxima. The tokens are
    # in the order of Unroll until the last stage.
    'hiera_tiny_224': [
        stages(
            'blocks.{}',
            {0: 4, 2: 8, 9: 16, 11: 32},
            'hiera',
            {0: 0, 2: 2, 9: 6, 11: 14},
        )
    ],
    'mambaout_femto': [stages('stages.{}', FOUR, 'NHWC', CENTRED, sizes=BOTH)],
    # Four 3 x 3 convolutions with padding 1, then blocks of tokens; the class
    # token comes in front for the last two blocks only.
    'xcit_nano_12_p16_224': [
        stages(
            'blocks.{}',
            dict.fromkeys((0, 5, 11), 16),
            'tokens',
            CENTRED,
            sizes=BOTH,
        ),
        stages(
            'cls_attn_blocks.{}',
            dict.fromkeys((0, 1), 16),
            'tokens',
            CENTRED,
            front=1,
            sizes=BOTH,
        ),
    ],
    # Patch embeddings 4 x 4 and 2 x 2; every scale has a class token.
    'coat_tiny': [
        stages(
            'serial_blocks{}.1',
            {1: 4, 2: 8, 3: 16, 4: 32},
            'tokens',
            PATCHES,
            front=1,
        ),
        stages('parallel_blocks.5[{}]', FOUR, 'tokens', PATCHES, front=1),
    ],
    'coat_lite_tiny': [
        stages(
            'serial_blocks{}.1',
            {1: 4, 2: 8, 3: 16, 4: 32},
            'tokens',
            PATCHES,
            front=1,
        )
    ],
    # Overlapping patch embeddings, 7 x 7 and 3 x 3, padded by k // 2; the
    # stages permute to (N, C, h, w) at their end.
    'pvt_v2_b0': [stages('stages.{}', FOUR, 'NCHW', CENTRED, sizes=BOTH)],
    'efficientnet_b0': [
        stages(
            'blocks.{}',
            {0: 2, 1: 4, 2: 8, 3: 16, 4: 16, 5: 32, 6: 32},
            'NCHW',
            CENTRED,
            sizes=BOTH,
        )
    ],
    'mobilenetv4_conv_small': [
        stages(
            'blocks.{}',
            {0: 4, 1: 8, 2: 16, 3: 32, 4: 32},
            'NCHW',
            CENTRED,
            sizes=BOTH,
        )
    ],
    'mobilenetv4_conv_large': [
        stages(
            'blocks.{}',
            {0: 4, 1: 8, 2: 16, 3: 32, 4: 32},
            'NCHW',
            CENTRED,
            sizes=BOTH,
        )
    ],
}


def reader(key, stride, layout, front, size):
    """How the layer's output is read, checked against its shape."""
    module, _, index = key.partition('[')
    h, w = (-(-side // stride) for side in size)

    def to_nchw(output):
        if index:
            output = output[int(index[:-1])]
        if layout == 'NHWC':
            output = output.permute(0, 3, 1, 2)
        elif layout == 'tokens':
            assert output.shape[1] == front + h * w, (key, output.shape)
            output = output[:, front:].transpose(1, 2).unflatten(2, (h, w))
        elif layout == 'hiera':
            order = unrolled(h, w, 32 // stride)
            output = output[:, order.argsort()].transpose(1, 2)
            output = output.unflatten(2, (h, w))
        assert output.shape[2:] == (h, w), (key, output.shape)
        return output

    return Reader(module, to_nchw)


def unrolled(h, w, unit):
    """Row-by-row index of each of Hiera's tokens.

    Sorted by the place within 2 x 2 first, then within 2 x 2 of those, and so
    on down to a whole mask unit; the units themselves are row by row.
    """
    places = torch.arange(h * w).view(1, h, w)
    while unit > 1:
        n, h, w = places.shape
        corners = [places[:, y::2, x::2] for y in (0, 1) for x in (0, 1)]
        places = torch.stack(corners, 1).reshape(4 * n, h // 2, w // 2)
        unit //= 2
    return places.flatten()


def measure(name):
    """The record of one model."""
    import with_torchvision

    kept = with_torchvision.declare()  # its declarations last as long
    import timm

    from mmerf import measure_erf
    from mmerf.core.errors import ERFError
    from mmerf.core.shortcuts import budget

    rows = []
    for size in MODELS[name][0]['sizes']:
        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False).eval()
        shake(model)
        image = torch.randn(1, 3, *size)
        readers, pixels = read_by_hand(name, size)
        exact, single = (
            plain_maps(model, readers, call, image, dtype, hooks=True)
            for dtype in (torch.float64, torch.float32)
        )

        def by_mmerf(keys, relu, dtype, model=model, image=image):
            target = {'type': 'CentreUnit', 'relu': relu}
            if dtype != image.dtype:
                model, image = copy.deepcopy(model).to(dtype), image.to(dtype)
            with mock.patch.object(budget, 'ENOUGH', 0):  # shortcuts too
                return measure_erf(model, image, keys, target=target)

        for row in compare(exact, single, by_mmerf, ERFError):
            row.update(size=size, by_hand=pixels[row['layer']])
            rows.append(row)
    del kept
    return {'rows': rows}


def call(model, image):
    return model(image)


def read_by_hand(name, size):
    """Reader and input pixel of the middle unit, by layer key."""
    readers, pixels = {}, {}
    for part in MODELS[name]:
        for key, (stride, offset) in part['layers'].items():
            readers[key] = reader(
                key, stride, part['layout'], part['front'], size
            )
            middle = [-(-side // stride) // 2 for side in size]
            pixels[key] = (
                None
                if offset is None
                else [offset + stride * unit for unit in middle]
            )
    return readers, pixels


def pixel_of(row):
    """The unit's pixel, held against the one by hand."""
    if row.get('unit_pixel') is None:
        return '-'
    y, x = row['unit_pixel']
    text = f'{y:g}, {x:g}'
    if not row['pixel_known']:
        text += ' (not known)'
    elif row['by_hand'] is None:
        text += ' (several)'
    elif max(abs(y - row['by_hand'][0]), abs(x - row['by_hand'][1])) > 0.01:
        text += ' WRONG: {:g}, {:g}'.format(*row['by_hand'])
    return text


def table(records):
    """Print one line per stage, and what could not be run."""
    print(
        '| model | input | layer | true (C, h, w) | verdict | difference '
        '| float32 | unit of grid | pixel | run on |'
    )
    print('| --- ' * 10 + '|')
    for record in records:
        if record['error']:
            print(f'| {record["name"]} | - | - | - | {record["error"]} |')
        for row in record['rows']:
            read = '-'
            if row.get('unit'):
                read = '({}, {}) of {} x {}'.format(*row['unit'], *row['grid'])
            cells = (
                record['name'],
                '{} x {}'.format(*row['size']),
                row['layer'],
                'x'.join(str(side) for side in row['shape'][1:]),
                row['error'] or row['verdict'],
                number(row['difference']),
                number(row['own']),
                read,
                pixel_of(row),
                row.get('run_on') or '-',
            )
            print(f'| {" | ".join(cells)} |')


if __name__ == '__main__':
    run_all(
        arguments(__doc__, 'work_dirs/agreement/timm.jsonl'),
        MODELS,
        measure,
        table,
    )
