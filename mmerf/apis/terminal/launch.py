"""Several processes that measure together."""

from __future__ import annotations

import atexit
import sys

from ...core.errors import ConfigError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def join_processes(launcher: str) -> None:
    """Join the other processes that a launcher has started.

    They communicate over NCCL where there are GPUs, else over gloo. gloo's
    process group is destroyed at exit, because its threads must not outlive
    the interpreter.

    Args:
        launcher (str): One of ``LAUNCHERS``; ``'none'``: this process alone.

    Raises:
        ConfigError: If there is no such launcher, or it did not start this
            process.
    """
    if launcher not in LAUNCHERS:
        raise ConfigError(
            f'launcher is one of {", ".join(LAUNCHERS)}, not {launcher!r}'
        )
    if launcher == 'none':
        return
    import torch
    from mmengine.dist import init_dist, is_distributed
    from torch.distributed import destroy_process_group

    if is_distributed():
        return
    gpus = torch.cuda.is_available()
    set_device = torch.cuda.set_device
    try:
        if not gpus:  # mmengine picks a GPU whether there is one or not
            torch.cuda.set_device = _keep_device
        init_dist(launcher, backend='nccl' if gpus else 'gloo')
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f'launcher {launcher!r} did not start this process ({error} is '
            'not set); use tools/dist_erf.sh CONFIG CHECKPOINT GPUS'
        ) from error
    finally:
        torch.cuda.set_device = set_device
    if not gpus:
        atexit.register(destroy_process_group)


def is_main() -> bool:
    """Whether this process is alone, or the first of those that measure."""
    dist = sys.modules.get('torch.distributed')
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return True
    return dist.get_rank() == 0


def _keep_device(device: object) -> None:
    """Stands in for ``set_device`` where there is no GPU."""
