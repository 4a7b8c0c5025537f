"""Load every checkpoint of a folder, one line each; run in a process."""

import sys
from pathlib import Path

import torch
from torch import nn

from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.core.errors import CheckpointError

PLAIN = (str, int, float, bool, bytes, type(None))


def foreign(path):
    """Types that are neither plain nor markers of what is in the file."""
    from helpers.hostile_pickles import is_filled
    from mmerf.apis.config.checkpoint import pickle_globals, stored
    from mmerf.apis.config.checkpoint.torch_file import read_checkpoint

    markers = (stored.Unread, stored.StoredDtype, stored.StoredArray,
               stored.Storage, pickle_globals.Global)  # fmt: skip
    try:
        rest = [read_checkpoint(bytearray(path.read_bytes()))]
    except Exception:
        return []
    seen, found = set(), []
    while rest:
        value = rest.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) in (list, tuple):
            rest += value
        elif type(value) is dict:
            rest += [*value.keys(), *value.values()]
        elif type(value) is stored.StoredTensor:
            try:
                tensor = value.tensor()
            except Exception:
                continue
            if tensor.numel() < 1000 and not is_filled(tensor):
                found.append('a tensor of something else')
        elif type(value) not in (*PLAIN, *markers):
            found.append(type(value).__name__)
    return found


def load_all(folder, every):
    """Load every file; a crash ends the process."""
    for path in sorted(Path(folder).iterdir()):
        model = nn.Sequential(nn.Conv2d(1, 2, 1))
        print(path.name, end=' ', flush=True)
        try:
            load_checkpoint(model, path)
            text = 'loaded'
            assert torch.isfinite(model[0].bias).all()
        except CheckpointError as error:
            text = repr(str(error).removeprefix(str(path)))
            assert len(str(error).splitlines()) == 1
        if every:
            assert not foreign(path), foreign(path)
        print(text, flush=True)


if __name__ == '__main__':
    load_all(sys.argv[1], sys.argv[2:] != ['old'])
