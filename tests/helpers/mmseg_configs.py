"""Small mmseg models and whole configs on small data."""

import copy
from pathlib import Path

import torch
from mmengine.config import Config

import mmerf  # noqa: F401  (registers the plugin)

CLASSES = ('left', 'right')
PREPROCESSOR = dict(
    type='SegDataPreProcessor',
    mean=[120.0, 115.0, 105.0],
    std=[58.0, 57.0, 57.0],
    bgr_to_rgb=True,
    size=(32, 48),
)
HEAD = dict(
    num_classes=2,
    norm_cfg=dict(type='BN'),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss'),
)
FCN = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(
        type='ResNetV1c',
        depth=18,
        base_channels=8,
        stem_channels=8,
        norm_cfg=dict(type='BN'),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        zero_init_residual=False,
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=64,
        in_index=3,
        channels=8,
        num_convs=1,
        concat_input=False,
        **HEAD,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
SEGFORMER = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        sr_ratios=[8, 4, 2, 1],
        drop_path_rate=0.1,
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[8, 8, 16, 16],
        in_index=[0, 1, 2, 3],
        channels=16,
        dropout_ratio=0.1,
        **HEAD,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)


def build(model_cfg, seed=0):
    """An mmseg model with random weights that give positive logits too."""
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope('mmseg')
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(model_cfg))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.4)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def config_of(
    data_root, work_dir, model=None, hooks=(), backends=None, **changes
):
    """A whole mmseg config on the small data, as a user would write it."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]

    def loader(split, batch_size, sampler):
        return dict(
            batch_size=batch_size,
            num_workers=0,
            sampler=sampler,
            dataset=dict(
                type='BaseSegDataset',
                data_root=str(data_root),
                metainfo=dict(classes=CLASSES),
                img_suffix='.png',
                seg_map_suffix='.png',
                data_prefix=dict(
                    img_path=f'img_dir/{split}',
                    seg_map_path=f'ann_dir/{split}',
                ),
                pipeline=pipeline,
            ),
        )

    val = loader('val', 2, dict(type='DefaultSampler', shuffle=False))
    cfg = dict(
        default_scope='mmseg',
        custom_imports=dict(imports=['mmerf']),
        custom_hooks=list(hooks),
        model=copy.deepcopy(model or FCN),
        train_dataloader=loader(
            'train', 4, dict(type='InfiniteSampler', shuffle=True)
        ),
        val_dataloader=val,
        test_dataloader=val,
        val_evaluator=dict(type='IoUMetric'),
        test_evaluator=dict(type='IoUMetric'),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(
            logger=dict(
                type='LoggerHook', interval=1, log_metric_by_epoch=False
            ),
            checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False),
        ),
        log_processor=dict(by_epoch=False),
        randomness=dict(seed=3),
        log_level='WARNING',
        work_dir=str(work_dir),
        visualizer=dict(
            type='SegLocalVisualizer',
            name=Path(work_dir).name,
            vis_backends=backends
            or [
                dict(type='LocalVisBackend'),
                dict(type='TensorboardVisBackend'),
                dict(type='ERFVisBackend'),
            ],
        ),
    )
    cfg.update(changes)
    return Config(cfg)
