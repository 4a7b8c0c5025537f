"""Where hook and backend are registered, and where mmseg fails."""

import os
import subprocess
import sys
import textwrap
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from mmerf import _plugin

ROOT = Path(__file__).parents[1]


def run(code, **packages):
    """What a fresh process prints, with these packages before all others."""
    begin = ''.join(
        f'stand_in({name!r}, {text!r})\n' for name, text in packages.items()
    )
    done = subprocess.run(
        [sys.executable, '-c', STAND_IN + begin + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}'},
    )
    assert done.returncode == 0, done.stderr
    return done


STAND_IN = """
import sys
from importlib.util import spec_from_loader
TEXTS = {}
class Finder:
    def find_spec(self, name, path=None, target=None):
        text = TEXTS.get(name.split('.')[0])
        if text == 'absent':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
        return text and spec_from_loader(name, Loader())
class Loader:
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(TEXTS[module.__name__.split('.')[0]], module.__dict__)
sys.meta_path.insert(0, Finder())
def stand_in(name, text):
    TEXTS[name] = text
"""


def test_hook_and_backend_stand_at_the_root_and_in_mmseg():
    from mmengine import registry as root
    from mmseg import registry as mmseg

    for name, key in (('HOOKS', 'ERFHook'), ('VISBACKENDS', 'ERFVisBackend')):
        ours = getattr(root, name).module_dict[key]
        assert ours.__module__.startswith('mmerf.')
        assert getattr(mmseg, name).module_dict[key] is ours
        for asked in (key, f'mmseg.{key}', f'mmengine.{key}'):
            assert getattr(root, name).get(asked) is ours
            assert getattr(mmseg, name).get(asked) is ours


def test_a_sibling_finds_them_by_their_plain_names():
    """As in mmpretrain and mmdet: child registries of their own scope."""
    from mmengine.registry import HOOKS, VISBACKENDS, Registry

    from mmerf.engine import ERFHook

    hooks = Registry('hook', parent=HOOKS, scope='siblinglab')
    backends = Registry('b', parent=VISBACKENDS, scope='siblinglab')
    try:
        assert isinstance(hooks.build(dict(type='ERFHook')), ERFHook)
        with HOOKS.switch_scope_and_registry('siblinglab') as registry:
            assert registry is hooks and registry.get('ERFHook') is ERFHook
        assert backends.get('ERFVisBackend').__name__ == 'ERFVisBackend'
    finally:
        del HOOKS.children['siblinglab'], VISBACKENDS.children['siblinglab']


def test_a_run_is_measured_where_there_is_no_mmseg(tmp_path):
    """MMEngine alone: registered in silence, and the maps are autograd's."""
    done = run(
        f"""
        import warnings
        warnings.filterwarnings('error', message='.*mmerf')
        import torch
        import mmerf
        from pathlib import Path
        from helpers.plain_runner import PlainImages, plain_runner
        runner = plain_runner({str(tmp_path)!r})
        runner.train()
        found = mmerf.ERFResult.load(
            next(Path({str(tmp_path)!r}).rglob('erf/2/backbone.npz')))
        model = runner.model.backbone.double()
        expected = 0
        for index in (0, 1, 2):  # floor(k 4 / 3)
            image = PlainImages()[index]['inputs'][None].double()
            score = model(image.requires_grad_())[0, :, 4, 4].relu().sum()
            grad, = torch.autograd.grad(score, image)
            expected = expected + grad[0].relu().sum(0) / 3
        error = abs(torch.from_numpy(found.map) - expected).max()
        assert expected.max() > 0 and error <= 1e-6 * expected.max(), error
        assert not any(n.split('.')[0] == 'mmseg' for n in sys.modules)
        try:
            mmerf.engine.ModuleSegmentor
        except ModuleNotFoundError as error:
            print(error)
        """,
        mmseg='absent',
    )
    assert done.stdout.strip().endswith("No module named 'mmseg'")
    assert 'UserWarning: mmerf' not in done.stderr


HOOK_IS_FOUND = """
    from mmengine.registry import HOOKS, VISBACKENDS
    hook, backend = HOOKS.get('ERFHook'), VISBACKENDS.get('ERFVisBackend')
    assert hook.__module__ == 'mmerf.engine.hooks.erf_hook', hook
    assert backend.__module__.startswith('mmerf.visualization'), backend
"""
MMSEG_HAS_THEM = """
    from mmseg import registry
    assert registry.HOOKS.module_dict['ERFHook'] is hook
    assert registry.VISBACKENDS.module_dict['ERFVisBackend'] is backend
    assert registry.MODELS.get('ModuleSegmentor') is not None
    assert registry.MODELS.get('LogitsHead') is not None
    assert registry.TRANSFORMS.get('Letterbox') is not None
"""


@pytest.mark.parametrize(
    'order',
    [
        'import mmerf',
        'import mmengine, mmerf',
        'import mmseg.models; import mmerf',
        'import mmerf; import mmseg.apis',
        'from mmerf.engine import ModuleSegmentor',
        'import mmerf.apis.erf',
    ],
)
def test_in_whatever_order_they_are_imported(order):
    done = run(f'\n    {order}\n{HOOK_IS_FOUND}{MMSEG_HAS_THEM}')
    assert 'mmerf could not' not in done.stderr


def test_once_all_are_registered_nothing_waits_any_more():
    run(f"""
    before = list(sys.meta_path)
    import mmerf
    for name in [n for n in sys.modules if n.split('.')[0] == 'mmerf']:
        del sys.modules[name]  # as tests of plugins do
    import mmerf
    import mmseg.apis
    {HOOK_IS_FOUND}{MMSEG_HAS_THEM}
    assert sys.meta_path == before, sys.meta_path
    """)


def test_a_config_that_imports_it_finds_what_it_needs(tmp_path):
    (tmp_path / 'config.py').write_text(
        "custom_imports = dict(imports=['mmerf'])\ndefault_scope = 'mmseg'\n"
    )
    run(f"""
    import mmengine
    from mmengine.config import Config
    config = Config.fromfile({str(tmp_path / 'config.py')!r})
    from mmengine.registry import MODELS, init_default_scope
    {HOOK_IS_FOUND}
    init_default_scope(config.default_scope)
    assert HOOKS.build(dict(type='ERFHook')).__class__ is hook
    assert 'mmseg.models' not in sys.modules
    model = dict(type='mmseg.ModuleSegmentor', module='torch.nn.Identity')
    assert MODELS.get(model['type']).__name__ == 'ModuleSegmentor'
    {MMSEG_HAS_THEM}
    """)


def test_mmseg_stays_where_it_is_until_it_is_used():
    run(f"""
    import mmerf
    assert 'mmengine' not in sys.modules
    {HOOK_IS_FOUND}
    assert not any(n.split('.')[0] in ('mmseg', 'mmcv') for n in sys.modules)
    """)


def test_a_broken_mmseg_leaves_the_rest_and_is_one_line_of_error():
    done = run(
        """
        import torch
        from mmerf import measure_erf
        from mmengine.registry import HOOKS, VISBACKENDS
        assert HOOKS.get('ERFHook') and VISBACKENDS.get('ERFVisBackend')
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3, padding=1))
        assert measure_erf(net, torch.rand(1, 3, 9, 9), ['0'])
        try:
            import mmseg
        except RuntimeError as error:
            assert str(error).startswith('built for'), error
        else:
            raise AssertionError('the package own error is hidden')
        try:
            from mmerf.apis import run_erf
        except Exception as error:
            print(type(error).__name__, error)
        """,
        mmseg='raise RuntimeError("built for another\\ntorch")',
    )
    assert 'mmerf' not in done.stderr
    assert done.stdout == (
        'ConfigError mmerf.apis cannot be imported: RuntimeError: built for '
        'another torch; mmerf.measure_erf works without\n'
    )


def test_what_cannot_be_registered_is_one_line_of_warning():
    """An mmseg of another version: its registries are there, the rest not."""
    done = run(
        """
        import mmerf
        import mmseg.registry
        print(sorted(mmseg.registry.HOOKS.names))
        import mmseg.models
        """,
        mmseg=(
            '__path__ = []\n'
            'class Registry:\n'
            '    names = []\n'
            '    def register_module(self, module):\n'
            '        self.names.append(module.__name__)\n'
            'HOOKS = VISBACKENDS = Registry()\n'
        ),
    )
    assert done.stdout == "['ERFHook', 'ERFVisBackend']\n"
    (line,) = [t for t in done.stderr.splitlines() if 'mmerf could' in t]
    assert 'mmerf could not register ModuleSegmentor: ' in line


@pytest.mark.parametrize(
    'error',
    [
        ModuleNotFoundError('No ftfy', name='ftfy'),
        ImportError('cannot import x', name='mmseg.utils'),
        AssertionError('MMCV==9 is\nincompatible'),
        SyntaxError('bad'),
    ],
)
def test_any_error_is_one_line_and_the_others_are_registered(
    error, monkeypatch
):
    """All four modules are imported here: each is tried at once."""
    import mmseg.datasets.transforms
    import mmseg.models  # noqa: F401

    tried = []

    def importing(name, package):
        tried.append(name)
        if name == '._mmseg':
            raise error
        return import_module(name, package)

    monkeypatch.setattr(_plugin, 'import_module', importing)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        _plugin.register()
    (warning,) = caught
    assert type(error).__name__ in str(warning.message)
    assert '\n' not in str(warning.message)
    assert tried == ['.engine', '.visualization', '._mmseg',
                     '.engine.segmentors', '.engine.transforms']  # fmt: skip


def test_what_stops_python_stops_the_import(monkeypatch):
    def importing(name, package):
        raise KeyboardInterrupt

    monkeypatch.setattr(_plugin, 'import_module', importing)
    with pytest.raises(KeyboardInterrupt):
        _plugin.register()
