"""Every output of one config per mmseg family against plain autograd.

    PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python -W ignore \\
        tools/dev/agreement/mmseg_families.py [FAMILY ...] [--again] [--table]

measures every backbone output and the decode head on one photograph, at
411 x 549 where the model takes that, with random weights and random batch
norms, and holds the maps against autograd in float64. The 44 families are
those that run on the default package set; of each the smallest config is
taken, and made smaller where that leaves its form as it is.
"""

import copy

import torch
from plain import plain_maps, shake
from runs import arguments, compare, describe, number, run_all

from mmerf.core.aggregate.batch_maps import without_finite_map

MANY = 1000  # images that are said to come, so that shortcuts are taken
SIZES = ((411, 549), (416, 544), (512, 512), (640, 640))
FOUR_LAYERS = {
    'model.backbone.num_layers': 4,
    'model.backbone.out_indices': (0, 1, 2, 3),
}
# family: a config of its folder, and what is changed in it
FAMILIES = {
    'ann': ('ann_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'apcnet': ('apcnet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'beit': ('beit-base_upernet_8xb2-160k_ade20k-640x640', FOUR_LAYERS),
    'bisenetv1': ('bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024', {}),
    'bisenetv2': ('bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024', {}),
    'cgnet': ('cgnet_fcn_4xb4-60k_cityscapes-680x680', {}),
    'danet': ('danet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'ddrnet': (
        'ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024',
        {},
    ),
    'deeplabv3': ('deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024', {}),
    'deeplabv3plus': (
        'deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024',
        {},
    ),
    'dmnet': ('dmnet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'dnlnet': ('dnl_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'dpt': ('dpt_vit-b16_8xb2-160k_ade20k-512x512', FOUR_LAYERS),
    'dsdl': ('cityscapes', {}),
    'emanet': ('emanet_r50-d8_4xb2-80k_cityscapes-512x1024', {}),
    'encnet': ('encnet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'erfnet': ('erfnet_fcn_4xb4-160k_cityscapes-512x1024', {}),
    'fastfcn': ('fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024', {}),
    'fastscnn': ('fast_scnn_8xb4-160k_cityscapes-512x1024', {}),
    'fcn': ('fcn_r18-d8_4xb2-80k_cityscapes-512x1024', {}),
    'gcnet': ('gcnet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'hrnet': ('fcn_hr18s_4xb2-40k_cityscapes-512x1024', {}),
    'icnet': ('icnet_r18-d8_4xb2-80k_cityscapes-832x832', {}),
    'isanet': ('isanet_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'knet': ('knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512', {}),
    'mae': ('mae-base_upernet_8xb2-amp-160k_ade20k-512x512', FOUR_LAYERS),
    'mobilenet_v2': (
        'mobilenet-v2-d8_fcn_4xb2-80k_cityscapes-512x1024',
        {'model.decode_head.channels': 128},
    ),
    'mobilenet_v3': (
        'mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024',
        {},
    ),
    'nonlocal_net': ('nonlocal_r50-d8_4xb2-40k_cityscapes-512x1024', {}),
    'ocrnet': ('ocrnet_hr18s_4xb2-40k_cityscapes-512x1024', {}),
    'pidnet': ('pidnet-s_2xb6-120k_1024x1024-cityscapes', {}),
    'pspnet': ('pspnet_r18-d8_4xb2-80k_cityscapes-512x1024', {}),
    'resnest': (
        'resnest_s101-d8_fcn_4xb2-80k_cityscapes-512x1024',
        {'model.backbone.depth': 50, 'model.decode_head.channels': 128},
    ),
    'segformer': ('segformer_mit-b0_8xb2-160k_ade20k-512x512', {}),
    'segmenter': ('segmenter_vit-t_mask_8xb1-160k_ade20k-512x512', {}),
    # The head draws its bases at random in every forward, unless told not to.
    'segnext': (
        'segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512',
        {'model.decode_head.ham_kwargs.rand_init': False},
    ),
    'sem_fpn': ('fpn_r50_4xb2-80k_cityscapes-512x1024', {}),
    'setr': ('setr_vit-l_naive_8xb2-160k_ade20k-512x512', FOUR_LAYERS),
    'stdc': ('stdc1_4xb12-80k_cityscapes-512x1024', {}),
    'swin': (
        'swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512',
        {},
    ),
    'twins': ('twins_svt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512', {}),
    'unet': (
        'unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024',
        {
            'model.backbone.base_channels': 16,
            'model.decode_head.in_channels': 16,
            'model.decode_head.channels': 16,
            'model.auxiliary_head.in_channels': 32,
        },
    ),
    'upernet': ('upernet_r18_4xb2-40k_cityscapes-512x1024', {}),
    'vit': ('vit_deit-s16_upernet_8xb2-80k_ade20k-512x512', {}),
}
WIDE = 512  # channels of a head, from which on it is made four times smaller


def thin(model):
    """ResNet-18 for ResNet-50, and heads a quarter as wide. In place."""
    heads = [model.decode_head, model.get('auxiliary_head')]
    heads = [h for head in heads for h in listed(head)]
    for head in heads:
        if head.get('type') in ('UPerHead',):
            head.channels = 128
    backbone = model.backbone
    if backbone.get('depth') != 50 or 'ResNet' not in backbone.type:
        return
    backbone.depth = 18
    neck = model.get('neck')
    if neck is not None:
        quarter(neck, ('in_channels', 'mid_channels'))
        if neck.type == 'FPN':  # which gives the heads what it did
            return
    for head in heads:
        if head.type == 'IterativeDecodeHead':
            head = head.kernel_generate_head
            quarter(head, ('in_channels',))
            continue
        quarter(head, ('in_channels', 'c1_in_channels'))
        if head.get('channels', 0) >= WIDE:
            quarter(head, ('channels',))


def listed(heads):
    if heads is None:
        return []
    return heads if isinstance(heads, (list, tuple)) else [heads]


def quarter(part, names):
    for name in names:
        value = part.get(name)
        if isinstance(value, int):
            part[name] = value // 4
        elif value is not None:
            part[name] = type(value)(channels // 4 for channels in value)


class MMSegReader:
    """Outputs of backbone and decode heads; feature maps are (N, C, h, w)."""

    def __init__(self, model):
        self.modules = ['backbone']
        heads = model.decode_head
        if isinstance(heads, torch.nn.ModuleList):
            self.modules += [f'decode_head.{i}' for i in range(len(heads))]
        else:
            self.modules.append('decode_head')

    def __call__(self, name, output):
        if isinstance(output, torch.Tensor):
            return {name: output} if output.dim() == 4 else {}
        found = {}
        for index, item in enumerate(output):
            found.update(self(f'{name}[{index}]', item))
        return found


def photograph(size):
    """A photograph as the networks get it: (1, 3, H, W), normalised."""
    from skimage import data

    image = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None].float()
    image = torch.nn.functional.interpolate(
        image, size, mode='bilinear', antialias=True
    )
    mean = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)
    return (image - mean) / std


def call(model, image):
    """As validation runs it."""
    size = tuple(image.shape[2:])
    meta = {
        'ori_shape': size,
        'img_shape': size,
        'pad_shape': size,
        'padding_size': [0, 0, 0, 0],
    }
    return model.encode_decode(image, [meta])


def first_size(model):
    """The first size that the model takes, and why not the ones before."""
    reasons = {}
    for size in SIZES:
        try:
            with torch.no_grad():
                call(model, photograph(size))
        except Exception as error:  # whatever the model raises
            reasons['{} x {}'.format(*size)] = describe(error, 120)
        else:
            return size, reasons
    raise RuntimeError(f'the model takes none of the sizes: {reasons}')


def build(family):
    from mmerf.apis.config.build_model import build_model
    from mmerf.apis.config.config_file import load_config

    name, changes = FAMILIES[family]
    cfg = load_config(f'mmseg::{family}/{name}.py', changes)
    thin(cfg.model)
    model, _ = build_model(cfg, device='cpu', pretrained=False)
    shake(model)
    return model


def measure(family):
    """The record of one family."""
    from mmerf.core.errors import ERFError
    from mmerf.core.measurement import Measurement
    from mmerf.core.options import MeasurementOptions
    from mmerf.engine.batches.prepare_batch import prepare_tensor

    model = build(family)
    # SegNeXt's head makes its bases in its first forward, and keeps them.
    tried = model if family == 'segnext' else copy.deepcopy(model)
    size, reasons = first_size(tried)
    del tried
    image = photograph(size)
    reader = MMSegReader(model)
    exact, single = (
        plain_maps(model, reader, call, image, dtype)
        for dtype in (torch.float64, torch.float32)
    )

    def by_mmerf(keys, relu, dtype):
        target = {'type': 'CentreUnit', 'relu': relu}
        options = MeasurementOptions(keys, target=target)
        measured = model
        if dtype != image.dtype:
            measured = copy.deepcopy(model).to(dtype)
        measurement = Measurement(measured, options)
        measurement.expect(MANY)
        batch = prepare_tensor(measured, image.to(dtype), measurement.layers)
        measurement.update(batch)
        failed = without_finite_map(measurement.accumulators)
        if failed:
            raise ERFError(str(failed))
        return measurement.compute()

    rows = compare(exact, single, by_mmerf, ERFError)
    return {
        'config': FAMILIES[family][0],
        'size': size,
        'sizes_refused': reasons,
        'rows': rows,
    }


def table(records):
    """Print one line per family, then every layer that does not agree."""
    print(
        '| family | config | input | outputs | agree | worst difference '
        '| float32 | in windows | pixel known | remarks |'
    )
    print('| --- | --- | --- | ---: | ---: | --- | --- | ---: | ---: | --- |')
    for record in records:
        print(f'| {" | ".join(family_cells(record))} |')
    print()
    for record in records:
        for row in record['rows']:
            if row['verdict'] != 'agree':
                print(
                    f'{record["name"]} {row["layer"]} {row["shape"]}: '
                    f'{row["error"] or row["verdict"]} '
                    f'({row.get("in_float64")}), difference '
                    f'{number(row["difference"])}, float32 '
                    f'{number(row["own"])}, unit {row.get("unit")} of '
                    f'{row.get("grid")}, {row.get("run_on")}'
                )


def family_cells(record):
    rows = record['rows']
    if record['error']:
        config = FAMILIES[record['name']][0]
        return [record['name'], config, *['-'] * 7, record['error']]
    measured = [row for row in rows if row['difference'] is not None]
    worst = max(measured, key=lambda row: row['difference'], default=None)
    windows = [row for row in measured if 'window ' in row['run_on'][:12]]
    remarks = []
    zero = [row['layer'] for row in rows if row['zero_in_both']]
    if zero:
        remarks.append(f'zero map in both, so relu=False: {", ".join(zero)}')
    if record['sizes_refused']:
        remarks.append(f'not {", ".join(record["sizes_refused"])}')
    remarks += sorted({row['error'] for row in rows if row['error']})
    return [
        record['name'],
        record['config'],
        '{} x {}'.format(*record['size']),
        str(len(rows)),
        str(sum(row['verdict'].startswith('agree') for row in rows)),
        f'{number(worst["difference"])} ({worst["layer"]})' if worst else '-',
        number(worst['own']) if worst else '-',
        str(len(windows)),
        str(sum(row['pixel_known'] for row in measured)),
        '; '.join(remarks) or '-',
    ]


if __name__ == '__main__':
    run_all(
        arguments(__doc__, 'work_dirs/agreement/mmseg.jsonl'),
        FAMILIES,
        measure,
        table,
    )
