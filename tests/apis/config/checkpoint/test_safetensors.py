import builtins
import struct

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.core.errors import CheckpointError


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


@pytest.mark.parametrize('name', ['x.safetensors', 'x.pth', 'x'])
def test_is_read_by_name_or_content(name, tmp_path):
    source, model = net(1), net()
    state = {f'module.{k}': v for k, v in source.state_dict().items()}
    save_file(state, tmp_path / name, metadata={'format': 'pt'})
    found = load_checkpoint(model, tmp_path / name)
    assert found['missing'] == found['unexpected'] == []
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


def test_every_kind_of_number(tmp_path):
    kinds = [torch.float16, torch.bfloat16, torch.float64, torch.int32]
    for kind in kinds:
        values = torch.tensor([[1.5, 2, 3, 4]]).to(kind)
        save_file({'weight': values}, tmp_path / 'x.safetensors')
        model = nn.Linear(4, 1, bias=False)
        load_checkpoint(model, tmp_path / 'x.safetensors')
        assert torch.equal(model.weight, values.float())


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'not safetensors',
        struct.pack('<Q', 2**62) + b'{}',
        struct.pack('<Q', 9) + b'{"a": 1}}',
        'cut',
        'truth',
    ],
)
def test_damaged_files(content, tmp_path):
    path = tmp_path / 'x.safetensors'
    if content == 'cut':
        save_file(net().state_dict(), path)
        content = path.read_bytes()[:-3]
    elif content == 'truth':
        save_file({'0.weight': torch.ones(2, dtype=torch.bool)}, path)
        content = path.read_bytes()[:-1] + b'*'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='not a whole') as caught:
        load_checkpoint(net(), path)
    assert '\n' not in str(caught.value)


def test_without_the_package_a_line_says_so(tmp_path, monkeypatch):
    save_file(net().state_dict(), tmp_path / 'x.safetensors')
    real = builtins.__import__

    def missing(name, *args):
        if name.startswith('safetensors'):
            raise ModuleNotFoundError(f'no {name}', name='safetensors')
        return real(name, *args)

    monkeypatch.setattr(builtins, '__import__', missing)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(net(), tmp_path / 'x.safetensors')
    assert str(caught.value).endswith(
        'x.safetensors needs the package safetensors, which is not '
        'installed: pip install safetensors'
    )
