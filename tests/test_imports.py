"""Who may import whom: read from the source, TYPE_CHECKING included.

A room is a package; its ``__init__`` docstring states its idea and, in a line
``May import: ...``, the rooms beside it that it may import.
"""

import ast
import re
import subprocess
import sys
import textwrap
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mmerf

ROOT = Path(mmerf.__file__).parent
MM = {'mmengine', 'mmcv', 'mmseg'}
PACKAGES = {  # what a room may import besides mmerf and the standard library
    # Captum is optional: imported where its adapter is used.
    'core': {'torch', 'numpy', 'scipy', 'captum'},
    # tornado is optional: imported where a browser is served.
    'plots': {'matplotlib', 'numpy', 'scipy', 'tornado'},
    'visualization': {*MM, 'torch', 'numpy', 'PIL'},
    'engine': {*MM, 'torch', 'numpy'},
    # safetensors is optional: imported where such a file is read.
    # onnx2torch is optional: imported where an ONNX file is read.
    'apis': {
        *MM,
        'torch',
        'numpy',
        'PIL',
        'rich',
        'safetensors',
        'onnx2torch',
    },
}
MOST_FILES = 10  # of a room, besides its __init__
MOST_LINES = 285  # of a module


def module_name(path, root=ROOT):
    parts = (root.name, *path.relative_to(root).with_suffix('').parts)
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(path, root=ROOT):
    """Dotted names that a file imports, wherever in it; absolute."""
    name = module_name(path, root)
    package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parts = package.split('.')
                parts = parts[: len(parts) - node.level + 1]
                base = '.'.join([*parts, *([base] if base else [])])
            yield from (f'{base}.{alias.name}' for alias in node.names)


def module_graph(root=ROOT):
    """Every module and the modules of the same package that it imports."""
    files = {module_name(p, root): p for p in sorted(root.rglob('*.py'))}
    graph = {}
    for name, path in files.items():
        found = set()
        for target in imports(path, root):
            while target and target not in files:
                target = target.rpartition('.')[0]
            # A package's own __init__ collects what is inside it.
            if target and not name.startswith(f'{target}.'):
                found.add(target)
        graph[name] = found - {name}
    return graph


def circle(graph):
    """The modules of a circle, or None."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def room_of(name, depth):
    """The room or module at a depth of the tree that a module belongs to."""
    return '.'.join(name.split('.')[: depth + 1])


def room_graph(graph, inside):
    """Rooms and modules directly inside a package, and who imports whom."""
    depth = inside.count('.') + 1
    rooms = {}
    for name, targets in graph.items():
        if not name.startswith(f'{inside}.'):
            continue
        room = rooms.setdefault(room_of(name, depth), set())
        room |= {
            room_of(target, depth)
            for target in targets
            if target.startswith(f'{inside}.')
        }
    return {room: targets - {room} for room, targets in rooms.items()}


def may_import(room, root=ROOT):
    """What a room's docstring says that it may import."""
    init = root.joinpath(*room.split('.')[1:], '__init__.py')
    text = ast.get_docstring(ast.parse(init.read_text())) or ''
    stated = re.search(r'May import:(.*?)(\.\s|\.$|\Z)', text, re.S)
    assert stated, f'{room}: its docstring does not say what it may import'
    parent = room.rpartition('.')[0]
    return {f'{parent}.{one}' for one in re.findall(r'``(\w+)``', stated[1])}


def is_room(name):
    return ROOT.joinpath(*name.split('.')[1:], '__init__.py').exists()


def broken_rules(root=ROOT):
    """What imports against the rules, a sentence each."""
    graph = module_graph(root)
    wrong = []
    if found := circle(graph):
        wrong.append(f'a circle of modules: {" -> ".join(found)}')
    for inside in (root.name, f'{root.name}.core'):
        rooms = room_graph(graph, inside)
        if found := circle(rooms):
            wrong.append(f'a circle of rooms: {" -> ".join(found)}')
        for room, targets in rooms.items():
            folder = root.joinpath(*room.split('.')[1:])
            if not folder.is_dir():
                continue
            for target in sorted(targets - may_import(room, root)):
                wrong.append(f'{room} imports {target} and does not say so')
    return wrong


def test_imports_point_one_way():
    assert broken_rules() == []


def test_the_chart_of_core_is_right():
    """A room of docs/architecture.md imports from the lines below it."""
    page = (ROOT.parent / 'docs/architecture.md').read_text()
    chart = page.split('```text\n')[2].split('```')[0]
    rooms = room_graph(module_graph(), 'mmerf.core')
    height = {}
    for level, lines in enumerate(reversed(re.split(r'-{20,}\n', chart))):
        for name in re.findall(r'(?:^|  )(\w+)(?= )', lines, re.M):
            if f'mmerf.core.{name}' in rooms:
                height[f'mmerf.core.{name}'] = level
    assert {room for room in rooms if is_room(room)} <= height.keys()
    for room in filter(is_room, height):
        for target in rooms[room] & height.keys():
            assert height[target] < height[room], (room, target)


@pytest.mark.parametrize(
    ('file', 'line', 'expected'),
    [
        ('core/grid/coordinates.py', 'from . import reading', 'circle of mod'),
        ('core/errors.py', 'from .measure import measure_erf', 'circle'),
        ('core/targets/unit.py', 'from ..windows import planner', 'circle'),
        ('core/layers/names.py', 'from ..results import npz', 'does not say'),
        ('plots/map.py', 'from ..engine import ranks', 'does not say'),
        ('core/grid/coordinates.py', 'from ...apis import erf', 'circle'),
        (
            'core/grid/coordinates.py',
            'if TYPE_CHECKING:\n    from .reading import Reading',
            'circle of modules',
        ),
    ],
)
def test_a_wrong_arrow_is_seen(file, line, expected, tmp_path):
    copy = tmp_path / 'mmerf'
    for path in ROOT.rglob('*.py'):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    with open(copy / file, 'a') as source:
        source.write(f'\n\n{line}\n')
    assert any(expected in sentence for sentence in broken_rules(copy))


@pytest.mark.parametrize('room', PACKAGES)
def test_other_packages_stay_in_their_rooms(room):
    files = sorted((ROOT / room).rglob('*.py'))
    assert len(files) > 1
    for path in files:
        for target in imports(path):
            package = target.split('.')[0]
            if package != 'mmerf' and package not in sys.stdlib_module_names:
                assert package in PACKAGES[room], (path, package)


def test_every_room_is_named_and_small():
    rooms = {p.name for p in ROOT.iterdir() if (p / '__init__.py').exists()}
    assert rooms == set(PACKAGES)
    for init in ROOT.rglob('__init__.py'):
        files = [p for p in init.parent.glob('*.py') if p != init]
        if init.with_name('table.py').exists():
            continue  # one file for each entry of the table
        assert len(files) <= MOST_FILES, init.parent


def test_modules_stay_short():
    for path in ROOT.rglob('*.py'):
        assert len(path.read_text().splitlines()) <= MOST_LINES, path


def module_level_names(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id


def test_no_name_stands_for_two_things():
    """One name, one thing: private ones too, so that a search finds it."""
    owners = {}
    for path in sorted(ROOT.rglob('*.py')):
        for name in module_level_names(path):
            owners.setdefault(name, []).append(module_name(path))
    owners.pop('__all__')
    assert {k: v for k, v in owners.items() if len(v) > 1} == {}


def test_core_asks_no_target_or_attribution_what_it_has():
    """Their base classes declare it: no hasattr, no getattr by name."""
    probes = re.compile(r'\b(has|get)attr\(\s*[\w.]*(target|attribution)\b')
    for path in (ROOT / 'core').rglob('*.py'):
        assert not probes.search(path.read_text()), path


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
            from mmerf.apis import run_erf
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
