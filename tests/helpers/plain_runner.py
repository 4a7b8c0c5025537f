"""A Runner of MMEngine alone: a small net of no OpenMMLab package."""

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset


@MODELS.register_module()
class PlainNet(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, 2, 1),
            torch.nn.Tanh(),
            torch.nn.Conv2d(4, 4, 3, 1, 1),
        )
        self.head = torch.nn.Linear(4, 2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if isinstance(inputs, list):
            inputs = torch.stack(inputs)
        logits = self.head(self.backbone(inputs).mean((2, 3)))
        if mode == 'loss':
            return {'loss': logits.square().mean()}
        return logits if mode == 'tensor' else list(logits)


@DATASETS.register_module()
class PlainImages(Dataset):
    metainfo = dict(classes=('one', 'two'))

    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {'inputs': torch.randn(3, 16, 18, generator=generator)}


@METRICS.register_module()
class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {'seen': len(results)}


def plain_config(work_dir, **changes):
    """Four images, two iterations, one validation at the end."""
    loader = dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type='PlainImages'),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )
    cfg = dict(
        model=dict(type='PlainNet'),
        custom_hooks=[dict(type='ERFHook', num_images=3, on_error='raise')],
        train_dataloader=loader,
        val_dataloader=loader,
        val_evaluator=dict(type='NoMetric'),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2),
        val_cfg=dict(type='ValLoop'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(checkpoint=None),
        log_processor=dict(by_epoch=False),
        visualizer=dict(
            type='Visualizer', vis_backends=[dict(type='ERFVisBackend')]
        ),
        randomness=dict(seed=0),
        work_dir=str(work_dir),
        experiment_name=str(work_dir).replace('/', '_'),
    )
    cfg.update(changes)
    return Config(cfg)


def plain_runner(work_dir, **changes):
    return Runner.from_cfg(plain_config(work_dir, **changes))
