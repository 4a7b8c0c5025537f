"""Everything that a measurement could leave behind, as plain values."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


def bits(value):
    """Tensors as a hash of their bytes, dtype and strides; the rest as is."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1)
        content = raw.view(torch.uint8).numpy().tobytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        return digest, str(value.dtype), tuple(value.stride())
    if isinstance(value, np.ndarray):
        return bits(torch.from_numpy(value.copy()))
    if isinstance(value, dict):
        return {str(key): bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return value


def of_model(model):
    """Values, gradients, flags, hooks and attributes of every module."""
    found = {'state': bits(dict(model.state_dict()))}
    for name, parameter in model.named_parameters():
        found[name] = (
            parameter.requires_grad,
            bits(parameter.grad),
            len(parameter._backward_hooks or ()),
        )
    for name, module in model.named_modules():
        found[f'module {name}'] = {
            key: value
            if isinstance(value, (bool, int, float, str))
            else (
                len(value) if isinstance(value, dict) else type(value).__name__
            )
            for key, value in vars(module).items()
        }
    return found


def of_process():
    """Random state, modes and switches that belong to the whole process."""
    numpy_state = np.random.get_state()
    return {
        'python': hash(random.getstate()),
        'numpy': (bits(numpy_state[1]), numpy_state[2:]),
        'torch': bits(torch.get_rng_state()),
        'modes': (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled(),
            torch.is_autocast_cpu_enabled(),
            torch.is_anomaly_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
        ),
        'switches': [
            (owner.__name__, name, getattr(owner, name))
            for owner, names in (
                (torch.backends.cudnn, 'enabled benchmark deterministic'),
                (torch.backends.cudnn, 'allow_tf32'),
                (torch.backends.mkldnn, 'enabled'),
            )
            for name in names.split()
            if hasattr(owner, name)
        ],
        'tf32': torch.backends.cuda.matmul.allow_tf32,
        'matmul': getattr(
            torch.backends.cuda.matmul, 'fp32_precision', 'torch of old'
        ),
    }


@HOOKS.register_module(force=True)
class Witness(Hook):
    """Sees every training batch, and the gradients around validations."""

    priority = 'LOWEST'

    def __init__(self):
        self.batches, self.waiting = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batches.append(
            (
                [s.img_path for s in data_batch['data_samples']],
                bits(list(data_batch['inputs'])),
            )
        )

    def _gradients(self, runner):
        self.waiting.append(bits([p.grad for p in runner.model.parameters()]))

    before_val = after_val = _gradients


def of_run(runner):
    """Everything that a finished training leaves, but times and folders."""
    hooks = {type(hook).__name__: hook for hook in runner.hooks}
    lines = Path(runner.log_dir, 'vis_data', 'scalars.json').read_text()
    losses = [
        {
            key: value
            for key, value in json.loads(line).items()
            if not key.startswith(('erf', 'time', 'data_time', 'memory'))
        }
        for line in lines.splitlines()
    ]
    found = {
        'model': of_model(runner.model),
        'optimizer': bits(runner.optim_wrapper.state_dict()),
        'losses': [line for line in losses if set(line) - {'step'}],
        'batches': hooks['Witness'].batches,
        'waiting': hooks['Witness'].waiting,
        'process': of_process(),
        'iter': runner.iter,
    }
    if 'EMAHook' in hooks:
        found['ema'] = bits(dict(hooks['EMAHook'].ema_model.state_dict()))
    return found


def differing(ours, theirs):
    """Names of what differs, for a message that can be read."""
    if ours == theirs:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            f'{key}: {path}'
            for key in sorted(set(ours) | set(theirs))
            for path in differing(ours.get(key), theirs.get(key))
        ]
    return [f'{str(ours)[:80]} != {str(theirs)[:80]}']
