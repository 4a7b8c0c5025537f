"""Networks without a config: against the same network measured by hand."""

import numpy as np
import pytest
import torch
from helpers.photographs import IMAGENET, map_of, net, normalised
from PIL import Image
from torch import nn

from mmerf import measure_erf
from mmerf.apis import erf_from_module, layers_from_config, run_erf
from mmerf.apis.module.module_config import module_config
from mmerf.core.errors import ConfigError, ImageError

CONV = 'torch.nn.Conv2d'


OPTIONS = {'in_channels': 3, 'out_channels': 4, 'kernel_size': 3}


OWN = (0.1, 0.2, 0.3), (0.4, 0.5, 1.0)


@pytest.mark.parametrize('given', [None, OWN])
def test_a_module_is_measured_as_by_hand(photos, given):
    mean, std = given or (None, None)
    model = net()
    expected = map_of(model, normalised(photos, *(given or IMAGENET)))
    found = erf_from_module(
        model, img_dir=photos, layers='.', mean=mean, std=std
    )
    assert np.abs(found['.'].map - expected).max() < 1e-5 * expected.max()
    assert found['.'].num_images == 2
    assert found['.'].provenance['config'] == 'Sequential'


def test_the_callers_module_stays_as_it_was(photos):
    model = net().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    erf_from_module(model, img_dir=photos, layers=['0'])
    assert model.training and model[1].training
    assert all(
        torch.equal(v, before[k]) for k, v in model.state_dict().items()
    )


def test_an_import_path_and_its_options(photos):
    run = run_erf(
        module_config(CONV, OPTIONS), layers='.', img_dir=photos, seed=3
    )
    torch.manual_seed(3)
    same = nn.Conv2d(**OPTIONS)
    expected = map_of(same, normalised(photos, *IMAGENET))
    assert np.abs(run.results['.'].map - expected).max() < 1e-5
    name = f'{CONV}(in_channels=3, out_channels=4, kernel_size=3)'
    assert run.provenance['config'] == name
    assert any('starts with' in note and CONV in note for note in run.notes)
    assert any("ImageNet's" in note for note in run.notes)


def test_what_python_did_not_choose_is_warned_of(photos):
    with pytest.warns(UserWarning, match="ImageNet's, as nothing else"):
        found = erf_from_module(net(), img_dir=photos, layers='.')
    own = erf_from_module(
        net(), img_dir=photos, layers='.', mean=OWN[0], std=OWN[1]
    )
    kept = [one['.'].provenance['images'] for one in (found, own)]
    assert '0.485' in kept[0] and 'mean 0.1 0.2 0.3' in kept[1]


def test_weights_for_the_callers_module_go_into_a_copy(photos, tmp_path):
    model, state = net(), torch.get_rng_state()
    torch.save(net().apply(_zero).state_dict(), tmp_path / 'z.pth')
    found = erf_from_module(
        model, tmp_path / 'z.pth', img_dir=photos, layers='0', device='cpu'
    )
    assert not found['0'].map.any()
    torch.set_rng_state(state)
    assert all(p.abs().sum() > 0 for p in model[0].parameters())


def test_the_callers_random_state_stays(photos):
    model, before = net(), torch.get_rng_state()
    erf_from_module(model, img_dir=photos, layers='0')
    assert torch.equal(torch.get_rng_state(), before)


def test_default_layers_without_a_map_are_named(photos):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer1, self.layer2 = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.layer2(self.layer1(x).mean((2, 3)))

    run = run_erf(module_config(Mixed()), img_dir=photos)
    assert list(run.results) == ['layer1']
    assert 'passed over, without a map: layer2' in run.notes
    assert any(note.endswith('number): layer1') for note in run.notes)


def test_an_image_of_other_bands_is_skipped(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((20, 24), np.uint16))
    with pytest.raises(ImageError, match=r'has 1 channel.*there are 6 means'):
        erf_from_module(
            nn.Conv2d(6, 4, 3), img_dir=tmp_path, layers='.', mean=[0] * 6,
            std=[1] * 6,
        )  # fmt: skip


def test_what_is_no_option_of_a_module(photos):
    with pytest.raises(ConfigError, match='type is not among its options'):
        erf_from_module(CONV, img_dir=photos, module_options={'type': 'x.Y'})
    with pytest.raises(ConfigError, match='is made already'):
        erf_from_module(net(), img_dir=photos, module_options={'depth': 3})
    with pytest.raises(ConfigError, match='one number per channel'):
        erf_from_module(net(), img_dir=photos, mean=0.5, std=0.5)
    with pytest.raises(ConfigError, match=r'whole pixels, not 64'):
        erf_from_module(net(), img_dir=photos, letterbox=64)
    array = np.full(3, 0.5)
    erf_from_module(net(), img_dir=photos, layers='0', mean=array, std=array)


def test_weights_are_loaded_and_what_is_missing_is_a_warning(photos, tmp_path):
    model = net()
    torch.save(model[:1].state_dict(), tmp_path / 'a.pth')
    with pytest.warns(UserWarning, match='missing in the checkpoint'):
        found = erf_from_module(
            net().apply(_zero), tmp_path / 'a.pth', img_dir=photos, layers='0'
        )
    expected = measure_erf(model, normalised(photos, *IMAGENET), '0')['0'].map
    assert np.abs(found['0'].map - expected).max() < 1e-5 * expected.max()


def _zero(module):
    for parameter in module.parameters(recurse=False):
        nn.init.zeros_(parameter)


def test_a_network_of_one_and_of_six_channels(tmp_path):
    import tifffile

    rng = np.random.default_rng(0)
    bands = rng.random((20, 24, 6)).astype(np.float32)
    tifffile.imwrite(tmp_path / 'a.tif', bands)
    six = nn.Conv2d(6, 4, 3, bias=False)
    found = erf_from_module(
        six, img_dir=tmp_path, layers='.', mean=[0.5] * 6, std=[1] * 6
    )
    images = torch.from_numpy(bands - 0.5).permute(2, 0, 1)[None]
    expected = map_of(six, images)
    assert np.abs(found['.'].map - expected).max() < 1e-5 * expected.max()
    (tmp_path / 'a.tif').unlink()
    grey = rng.integers(0, 256, (20, 24), np.uint8)
    Image.fromarray(grey).save(tmp_path / 'a.png')
    one = nn.Conv2d(1, 4, 3)
    found = erf_from_module(
        one, img_dir=tmp_path, layers='.', mean=[0], std=[1]
    )
    expected = map_of(one, torch.from_numpy(grey / 255).float()[None, None])
    assert np.abs(found['.'].map - expected).max() < 1e-5 * expected.max()


class OfPatches(nn.Module):
    """As transformers' models state their size."""

    class config:
        image_size, patch_size = 12, 4

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 2, 4, 4)

    def forward(self, x):
        return self.one(x)


def test_the_size_that_transformers_keep(photos):
    with pytest.warns(UserWarning, match='resized to 12 x 12, the size that'):
        found = erf_from_module(OfPatches(), img_dir=photos, layers='one')
    assert found['one'].map.shape == (12, 12)
    given = erf_from_module(
        OfPatches(), img_dir=photos, layers='one', input_size=(16, 16)
    )
    assert given['one'].map.shape == (16, 16)


def test_layers_are_listed_at_the_letterbox(photos):
    config = module_config(nn.Conv2d(3, 2, 3, 2, 1), letterbox=(40, 24))
    assert layers_from_config(config)[0].shape == (2, 20, 12)


def test_channels_that_do_not_fit_name_the_means(photos):
    with pytest.raises(ConfigError, match='its channels by --mean and --std'):
        layers_from_config(module_config(nn.Conv2d(6, 2, 3)))


class Fixed(nn.Module):
    pretrained_cfg = {
        'input_size': (3, 16, 16),
        'fixed_input_size': True,
        'mean': OWN[0],
        'std': OWN[1],
    }

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 2, 3)

    def forward(self, x):
        assert x.shape[2:] == (16, 16)
        return self.one(x)


def test_size_mean_and_std_that_timm_keeps(photos):
    run = run_erf(module_config(Fixed()), layers='one', img_dir=photos)
    assert run.results['one'].map.shape == (16, 16)
    notes = ' '.join(run.notes)
    assert 'resized to 16 x 16' in notes and 'pretrained_cfg' in notes
    assert layers_from_config(module_config(Fixed()))[1].key == 'one'


def test_a_letterbox_puts_grey_around_the_image(photos):
    model = nn.Conv2d(3, 4, 3)
    found = erf_from_module(
        model, img_dir=photos, layers='.', letterbox=(40, 24)
    )
    inside = normalised(photos, *IMAGENET)  # 20 x 24: no resizing
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in IMAGENET)
    images = ((114 / 255 - mean) / std).expand(2, 3, 40, 24).clone()
    images[:, :, 10:30] = inside
    expected = map_of(model, images)
    assert np.abs(found['.'].map - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize(
    ('mean', 'std', 'expected'),
    [
        ([0.5], None, 'belong together'),
        ([0.5], [0.5, 0.5], '1 mean.s. and 2 std'),
        ([123.0] * 3, [58.0] * 3, 'divide those of images in 0 to 255'),
        ([0.5] * 3, [0.0] * 3, 'a std is above 0'),
    ],
)
def test_mean_and_std_that_do_not_fit(photos, mean, std, expected):
    with pytest.raises(ConfigError, match=expected):
        erf_from_module(net(), img_dir=photos, mean=mean, std=std)
