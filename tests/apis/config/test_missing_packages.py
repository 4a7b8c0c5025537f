import pytest

from mmerf.apis.config.missing_packages import needed_package


def chained(*errors):
    """Errors, each raised from the one before."""
    caught = None
    for error in errors:
        try:
            raise error from caught
        except Exception as raised:
            caught = raised
    return caught


@pytest.mark.parametrize(
    ('error', 'text', 'package'),
    [
        (
            chained(
                ModuleNotFoundError('x', name='mmpretrain'),
                ImportError('Failed to import mmpretrain.models'),
            ),
            '',
            'mmpretrain',
        ),
        (
            ImportError("Failed to import custom modules from 'mmdet.models'"),
            '',
            'mmdet',
        ),
        (
            TypeError('unexpected keyword argument'),
            "pixel_decoder=dict(type='mmdet.PixelDecoder')",
            'mmdet',
        ),
        (ModuleNotFoundError('x', name='mmcv._ext'), '', None),
        (ImportError("cannot import 'x' from mmcv.ops"), '', 'mmcv'),
        (
            AssertionError('Please install onedl-mmcv for PSAMask ops. E.g.'),
            '',
            'mmcv',
        ),
        (ImportError('To use VPD model, please install'), '', 'ldm'),
        (KeyError('NoSuchHead'), "type='NoSuchHead'", None),
        (TypeError('no'), "type='mmseg.FCNHead'", None),
    ],
)
def test_the_missing_package_is_named(error, text, package):
    found = needed_package(error, text)
    if package is None:
        assert found is None
    else:
        assert found.startswith(package)


@pytest.mark.parametrize(
    ('config', 'package'),
    [
        ('convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py',
         'mmpretrain'),
        ('maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py', 'mmdet'),
    ],
)  # fmt: skip
def test_mmsegs_configs_say_what_they_need(config, package):
    from importlib.util import find_spec

    from mmerf.apis import layers_from_config
    from mmerf.core.errors import ConfigError

    assert find_spec(package) is None, 'the default environment lacks it'
    with pytest.raises(ConfigError, match=f'needs {package}: ') as caught:
        layers_from_config(f'mmseg::{config}')
    assert '\n' not in str(caught.value)
