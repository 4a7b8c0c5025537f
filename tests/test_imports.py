"""Who may import whom, and that the core stands without OpenMMLab."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import mmerf

ROOT = Path(mmerf.__file__).parent
MM = {'mmengine', 'mmcv', 'mmseg'}
# room: what it may import, of mmerf's rooms and of other packages
ALLOWED = {
    # Captum is optional: imported where its adapter is asked for.
    'core': ({'core', 'version'}, {'torch', 'numpy', 'scipy', 'captum'}),
    'plots': ({'core', 'plots'}, {'matplotlib', 'numpy', 'scipy'}),
    'visualization': (
        {'core', 'plots', 'visualization'},
        {*MM, 'torch', 'numpy', 'PIL'},
    ),
    'engine': ({'core', 'plots', 'engine'}, {*MM, 'torch', 'numpy'}),
    'apis': (
        {'core', 'plots', 'engine', 'apis', '_plugin'},
        {*MM, 'torch', 'numpy', 'PIL', 'rich', 'skimage'},
    ),
}


def imports(path):
    """(room of mmerf or None, package or None) of every import in a file."""
    package = ('mmerf', *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = ['.'.join((*base, node.module or ''))]
            if base == ('mmerf',) and not node.module:
                names = [f'mmerf.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        for name in names:
            parts = name.split('.')
            if parts[0] == 'mmerf':
                yield parts[1], None
            elif parts[0] not in sys.stdlib_module_names:
                yield None, parts[0]


@pytest.mark.parametrize('room', ALLOWED)
def test_imports_point_one_way(room):
    rooms, packages = ALLOWED[room]
    files = sorted((ROOT / room).rglob('*.py'))
    assert len(files) > 1
    for path in files:
        for inside, outside in imports(path):
            assert inside is None or inside in rooms, (path, inside)
            assert outside is None or outside in packages, (path, outside)


def test_every_room_is_named():
    rooms = {p.name for p in ROOT.iterdir() if (p / '__init__.py').exists()}
    assert rooms == set(ALLOWED)


def test_measures_a_plain_module_where_every_mm_package_is_blocked():
    code = """
        import sys
        BLOCKED = ('mmengine', 'mmcv', 'mmseg', 'matplotlib', 'rich', 'captum')
        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.split('.')[0] in BLOCKED:
                    raise ModuleNotFoundError(name, name=name)
        sys.meta_path.insert(0, Blocker())
        import torch
        from mmerf import ERFResult, measure_erf
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3, padding=1))
        torch.nn.init.ones_(net[0].weight)
        result = measure_erf(net, torch.rand(1, 3, 9, 9), ['0'])['0']
        assert result.statistics()['centred_square']['0.99']['side'] == 3
        assert not any(name.split('.')[0] in BLOCKED for name in sys.modules)
        try:
            import mmerf.apis
        except Exception as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('ConfigError')
    assert 'requirements/mminstall.txt' in done.stdout


def test_plugin_registers_in_the_mmseg_registries():
    from mmseg.registry import HOOKS, VISBACKENDS

    assert HOOKS.get('ERFHook').__module__.startswith('mmerf')
    assert VISBACKENDS.get('ERFVisBackend').__module__.startswith('mmerf')


def test_modules_stay_short():
    for path in ROOT.rglob('*.py'):
        assert len(path.read_text().splitlines()) <= 285, path
