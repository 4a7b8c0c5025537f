"""Every command and code block of the documentation is run: make docs-test.

In one scratch copy of the checkout, with the demo's data (two images to
validate on) and checkpoints. What cannot be run is in CANNOT_RUN with its
reason, and nothing else is left out.
"""

import json
import re
import shutil
import signal
import subprocess
import textwrap
import zlib
from pathlib import Path
from urllib.request import urlopen

import pytest
from helpers.doc_pages import PAGES, ROOT, all_blocks, blocks_of, commands_of
from helpers.doc_scratch import Scratch

from mmerf import ERFResult

# What a reader replaces, and by what it is replaced here.
PLACEHOLDERS = {
    '<this repository>': '../source/mmerf',
    'segformer_texture.py CHECKPOINT': (
        'segformer_texture.py work_dirs/segformer_texture/iter_4.pth'
    ),
    'CHECKPOINT': 'work_dirs/fcn_texture/iter_160.pth',
    'CONFIG': 'configs/demo/fcn_texture.py',
    'PHOTO': 'photos/coffee.png',
    'RUN RUN': 'runs/fcn runs/segformer',
    'RUN_A/iter_160000.pth': 'work_dirs/fcn_texture/iter_160.pth',
    'RUN_B/iter_160000.pth': 'work_dirs/segformer_texture/iter_4.pth',
}
NO_PLACEHOLDERS = {'FCN'}

CANNOT_RUN = {
    'make test': 'the suite, which CI runs',
    'make lint': 'ruff and mypy over the checkout, which CI runs',
    'mmerf explore --module timm.create_model --module-options '
    'model_name=resnet50 --img PHOTO': 'opens a window on a desktop',
    'torchrun --nproc_per_node 2 $TRAIN configs/demo/fcn_texture.py '
    '--launcher pytorch': 'MMEngine takes a GPU for each process',
}

# Names that a page's Python takes as the reader's own.
OWN_NAMES = {
    'docs/reference/files.md': """
        import numpy as np
        from mmerf import ERFResult
        ERFResult.from_map(np.eye(9)).save('decode_head.npz')
    """,
    'docs/design.md': """
        import torch
        from torch import nn
        model = nn.Sequential()
        model.add_module('decode_head', nn.Conv2d(3, 4, 7, 4, 3))
        image = torch.randn(1, 3, 160, 320)
        images = torch.randn(2, 3, 48, 48)
        config, checkpoint = 'configs/demo/fcn_texture.py', None
        photo = 'photo.png'
    """,
    'docs/how_to/questions.md': """
        import torch
        from mmerf import measure_erf

        class Both(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.head = torch.nn.Conv2d(4, 2, 3, padding=1)

            def forward(self, rgb, depth=None):
                if depth is None:  # a list of frames
                    rgb, depth = sum(rgb), rgb[0][:, :1]
                return self.head(torch.cat([rgb, depth], 1))

        model = Both()
        clips = torch.randn(2, 5, 3, 24, 24)
        X, D = torch.randn(2, 3, 24, 24), torch.randn(2, 1, 24, 24)
    """,
}
# Packages that .venv does not have.
OTHERS = ('timm.', 'segmentation_models_pytorch.')
PLACEHOLDER = re.compile(r'<[a-z][^>]*>|(?<!\$)\b[A-Z][A-Z_]+\b(?!=)')


def by_text(blocks):
    """One case for each text, whichever pages show it."""
    pages = {}
    for block in blocks:
        key = block.text if block.language == 'python' else script_of(block)
        pages.setdefault(key, []).append(block)
    return [
        pytest.param(found[0], id=f'{found[0].page}: {found[0].first_line}')
        for key, found in pages.items()
        if key
    ]


def script_of(block):
    """The commands of a block that can be run, as they are run here."""
    lines = [x for x in commands_of(block) if x not in CANNOT_RUN]
    script = '\n'.join(lines)
    for word in sorted(PLACEHOLDERS, key=len, reverse=True):
        bounded = rf'(?<![\w@]){re.escape(word)}(?![\w@])'
        script = re.sub(bounded, PLACEHOLDERS[word], script)
    return script


def is_config(block):
    return bool(re.search(r'^(custom_hooks|model) = ', block.text, re.M)) and (
        'import ' not in block.text.replace('custom_imports', '')
    )


def is_recipe(block):
    return block.page == 'CONTRIBUTING.md' and not is_config(block)


BASH = by_text(all_blocks('bash'))
CONFIGS = by_text(filter(is_config, all_blocks('python')))
SCRIPTS = {
    block.page: [
        other.text
        for other in all_blocks('python')
        if other.page == block.page and not is_config(other)
    ]
    for block in all_blocks('python')
    if not is_config(block) and not is_recipe(block)
}


def test_every_placeholder_has_its_value():
    shown = '\n'.join(
        line for block in all_blocks('bash') for line in commands_of(block)
    )
    left = shown
    for word in sorted(PLACEHOLDERS, key=len, reverse=True):
        assert word in shown, f'{word} is on no page any more'
        left = left.replace(word, '')
    assert {*PLACEHOLDER.findall(left)} == NO_PLACEHOLDERS


def test_what_cannot_run_is_shown_somewhere():
    shown = {x for block in all_blocks('bash') for x in commands_of(block)}
    assert {*CANNOT_RUN} <= shown
    assert {*OWN_NAMES} <= SCRIPTS.keys()


def test_no_block_is_of_another_kind():
    languages = {b.language for path in PAGES for b in blocks_of(path)}
    assert {x for x in languages if not x.startswith('{')} == {
        'bash', 'python', 'text', 'latex',
    }  # fmt: skip


# What follows takes minutes.
def docs(test):
    return pytest.mark.slow(pytest.mark.docs(test))


@pytest.fixture(scope='module')
def scratch(tmp_path_factory):
    """The demo is trained by the command that the pages show."""
    made = Scratch(tmp_path_factory.mktemp('docs'))
    recipes = [b for b in all_blocks('python') if is_recipe(b)]
    (made.root / 'my_pkg.py').write_text(my_package(recipes))
    made.run('make erf')
    made.train('segformer_texture.py', 'segformer_texture')
    (made.root / 'runs').mkdir()
    for name in ('fcn', 'segformer'):
        (found,) = made.root.glob(f'work_dirs/{name}_texture/2*/vis_data/erf')
        (made.root / 'runs' / name).symlink_to(found)
    return made


@docs
@pytest.mark.parametrize('block', BASH)
def test_commands(block, scratch):
    script = script_of(block)
    others = any(word in script for word in OTHERS)
    if 'git clone' in script:
        scratch.install(script, others)
    elif script.endswith('--web'):
        *before, last = script.splitlines()
        scratch.run('\n'.join(before))
        serve(last, scratch)
    elif re.search(r'^\w+=\S*\(', script):  # a variable for the next line
        scratch.run(script, others)
    else:
        for line in script.splitlines():
            scratch.run(line, others)
        for file in re.findall(r'--out (\S+)', script):
            assert (scratch.root / file).stat().st_size


def serve(command, scratch):
    """Start a server, look at its page, and end it as Ctrl-C does."""
    with subprocess.Popen(
        command.split(), cwd=scratch.root, env=scratch.environment(),
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout:
                if found := re.search(r'http://127\.0\.0\.1:\d+/', line):
                    assert b'<html' in urlopen(found[0]).read()
                    break
            else:
                raise AssertionError('no page was served')
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@docs
@pytest.mark.parametrize('block', CONFIGS)
def test_configs_train(block, scratch):
    others = any(word in block.text for word in OTHERS)
    base = 'smp/unetplusplus' if others else 'demo/fcn'
    name = f'shown{len(scratch.done)}'
    (scratch.root / f'{name}.py').write_text(
        f"_base_ = ['configs/{base}_texture.py']\n{block.text}"
    )
    folder = scratch.train(f'{name}.py', name, others)
    assert (folder / 'iter_4.pth').exists()
    if 'ERFHook' in block.text:
        (lines,) = folder.glob('2*/vis_data/erf/erf.jsonl')
        records = [json.loads(x) for x in lines.read_text().splitlines()]
        assert {record['step'] for record in records} == {2, 4}


@docs
@pytest.mark.parametrize('page', SCRIPTS)
def test_python_runs(page, scratch):
    own = textwrap.dedent(OWN_NAMES.get(page, ''))
    text = '\n'.join([own, *SCRIPTS[page]])
    script = scratch.root / f'page_{zlib.crc32(text.encode())}.py'
    script.write_text(text)
    scratch.run(f'python {script.name}')


def my_package(recipes):
    """The module of a reader who does not touch mmerf, as the page says."""
    statistic, target, registered = (
        next(block.text for block in recipes if word in block.text)
        for word in ('class UpperLeft', 'class FirstUnit', 'ERF_TARGETS')
    )
    relative = re.compile(r'^(from \..*\n)+', re.M)
    statistic = relative.sub(
        'from mmerf.core.statistics import Number, Statistic\n', statistic
    )
    return '\n\n'.join([statistic, target, registered])


@docs
def test_recipes(scratch):
    place = scratch.folder / 'recipes'
    shutil.copytree(scratch.root / 'mmerf', place / 'mmerf')
    for name in ('configs', 'tools', 'data', 'work_dirs'):
        (place / name).symlink_to(scratch.root / name)
    page = (ROOT / 'CONTRIBUTING.md').read_text()
    recipe = re.compile(
        r'One file,\s`(mmerf/[^`]+)`.*?```python\n(.*?)```'
        r'.*?Two lines in\s`(mmerf/[^`]+)`.*?```python\n(.*?)```',
        re.S,
    )
    found = recipe.findall(page)
    assert len(found) == 3
    for file, code, table, entry in found:
        (place / file).write_text(code)
        name = re.findall(r'^(?:class|def) (\w+)', code, re.M)[-1]
        text = (place / table).read_text().replace(
            'annotations\n', 'annotations\n'
            f'from .{Path(file).stem} import {name}\n', 1
        )  # fmt: skip
        start = re.search(r'^[A-Z]+: dict', text, re.M).start()
        indent = re.match(' +', entry)[0]
        last = [
            x for x in re.finditer(rf'^{indent}\S.*,\n', text, re.M)
            if start < x.start() < text.index('\n}', start)
        ][-1].end()  # fmt: skip
        (place / table).write_text(text[:last] + entry + text[last:])
    scratch.run(
        'mmerf erf configs/demo/fcn_texture.py '
        'work_dirs/fcn_texture/iter_160.pth --layers decode_head '
        '--attribution InputTimesGradient --out-dir out',
        cwd=place,
        env={'PYTHONPATH': str(place)},
    )
    assert (place / 'out/mass.png').exists()
    result = ERFResult.load(place / 'out/decode_head.npz')
    y, x = result.center
    record = json.loads((place / 'out/erf.json').read_text())
    shares = record['layers']['decode_head']['statistics']['upper_left']
    assert shares['share'] == pytest.approx(
        result.map[:y, :x].sum() / result.map.sum()
    )
    assert 'input * d score' in result.definition['map']
