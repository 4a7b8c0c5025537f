import sys

import pytest

from mmerf.apis.config.config_file import load_config
from mmerf.apis.config.missing_packages import needed_package
from mmerf.core.errors import ConfigError


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

    assert find_spec(package) is None, 'the default environment lacks it'
    with pytest.raises(ConfigError, match=f'needs {package}: ') as caught:
        layers_from_config(f'mmseg::{config}')
    assert '\n' not in str(caught.value)


FAILING = {
    'a name that is not there': (
        'import torch\nfrom torch import no_such_thing\n',
        r'own_parts of its custom_imports fails: ImportError: cannot import '
        r"name 'no_such_thing' from 'torch'.*own_parts.py, line 2\)$",
    ),
    'a package that is not there': (
        'import no_such_package\n',
        r"fails: ModuleNotFoundError: No module named 'no_such_package' "
        r'\(.*own_parts.py, line 1\)$',
    ),
    'an error of its own about another': (
        'try:\n    import no_such_package\n'
        "except ImportError:\n    raise ImportError('get it from\\na shop')\n",
        r'fails: ImportError: get it from a shop \(.*own_parts.py, line 4\)$',
    ),
    'no import error at all': (
        'x = [][3]\n',
        r'own_parts of its custom_imports fails: IndexError: list index out '
        r'of range \(.*own_parts.py, line 1\)$',
    ),
    'no Python': (
        'def\n',
        r'own_parts of its custom_imports fails: SyntaxError: .*'
        r'\(own_parts.py, line 1\)$',
    ),
}


@pytest.fixture
def config_with(tmp_path, monkeypatch):
    """A config whose custom_imports name a module of this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, text=None):
        path = tmp_path / 'config.py'
        path.write_text(f'custom_imports = dict(imports=[{name!r}])\n')
        if text is not None:
            (tmp_path / f'{name}.py').write_text(text)
        return path

    yield make
    sys.modules.pop('own_parts', None)


@pytest.mark.parametrize(('text', 'said'), FAILING.values(), ids=FAILING)
def test_a_module_of_custom_imports_fails_with_its_own_error(
    text, said, config_with
):
    path = config_with('own_parts', text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert '\n' not in str(caught.value)
    assert str(caught.value).startswith(f'{path} could not be read: ')


@pytest.mark.parametrize('name', ['no_such_parts', 'no_such_parts.inner'])
def test_a_module_that_is_not_there_is_named(name, config_with):
    with pytest.raises(
        ConfigError,
        match=f'name {name}, and there is no module no_such_parts; put .* on '
        'PYTHONPATH',
    ):
        load_config(config_with(name))


def test_an_error_of_the_config_itself_stays(tmp_path):
    (tmp_path / 'x.py').write_text('x = [][3]')
    with pytest.raises(ConfigError, match='could not be read: list index'):
        load_config(tmp_path / 'x.py')
