"""A copy of the checkout in which what the documentation shows is run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .doc_pages import ROOT

PLAIN = Path(sys.prefix)
# Has timm and segmentation_models_pytorch: tools/dev/smp/env.sh makes it.
OTHERS = Path(os.environ.get('SMP_ENV', ROOT / '.venv-smp'))
LIMIT = 3600  # seconds for one block
# The demo's schedule, and what makes it quick; 160 iterations as shown.
QUICK = {'batch_size=8': 'batch_size=1', 'val_interval=40': 'val_interval=80'}
# torchvision may be built for another torch: see with_torchvision.py.
SITE = """
import importlib.util, sys

class Declared:
    kept = module = None
    def find_spec(self, name, path=None, target=None):
        if name == 'torchvision' and Declared.module is None:
            Declared.module = self
            from with_torchvision import declare
            Declared.kept = declare()
            Declared.module = sys.modules['torchvision']
            return importlib.util.spec_from_loader(name, self)
    def create_module(self, spec):
        return Declared.module
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Declared())
"""


def write_script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)


class Scratch:
    """A checkout with small data; each script is run in it once."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / 'mmerf'
        self.done = {}
        self._copy_checkout()
        write_script(folder / 'bin/mmerf', 'exec python -m mmerf "$@"\n')
        self.pips = {
            base: self._layered(folder / f'env_{base.name}', base)
            for base in (PLAIN, OTHERS)
        }
        (folder / 'source').mkdir()
        (folder / 'source/mmerf').symlink_to(ROOT)  # what is cloned
        (folder / 'site').mkdir()
        (folder / 'site/sitecustomize.py').write_text(SITE)
        self._as_make_leaves_it()

    def _copy_checkout(self):
        names = subprocess.run(
            ['git', 'ls-files', '-z', '-co', '--exclude-standard'],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, names.split('\0')):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                shutil.copy(ROOT / name, target)
        config = self.root / 'configs/_base_/texture.py'
        text = config.read_text()
        for shown, quick in QUICK.items():
            assert shown in text
            text = text.replace(shown, quick)
        config.write_text(text)

    def _as_make_leaves_it(self):
        """.venv and the demo's data are there; two images to validate on."""
        venv = self.root / '.venv'
        venv.mkdir()
        for name in ('bin', 'lib', 'pyvenv.cfg'):
            (venv / name).symlink_to(PLAIN / name)
        (venv / '.ready').touch()
        self.run(
            'python tools/make_demo_data.py --root data/texture '
            '--train 16 --val 2'
        )
        (self.root / 'data/texture/.ready').touch()
        photos = self.root / 'data/texture/photos'
        (self.root / 'photos').symlink_to(photos)
        shutil.copy(photos / 'coffee.png', self.root / 'photo.png')

    def environment(self, others=False):
        """Variables for a command; others: timm and its like are there."""
        base = OTHERS if others else PLAIN
        path = [self.folder / 'bin', self.pips[base].parent, base / 'bin']
        path += [PLAIN / 'bin', os.environ['PATH']]
        modules = [self.root]
        if others:
            modules += [self.folder / 'site', ROOT / 'tools/dev/smp']
        return {
            **os.environ,
            'PATH': ':'.join(map(str, path)),
            'PYTHONPATH': ':'.join(map(str, modules)),
            'OMP_NUM_THREADS': '1',
            'HF_HUB_OFFLINE': '1',
            'MPLBACKEND': 'agg',
            'PYTHONUNBUFFERED': '1',
        }

    def run(self, script, others=False, cwd=None, env=None):
        """Run lines of bash; an error is the test's."""
        key = script, others, cwd
        if key not in self.done:
            self.done[key] = subprocess.run(
                ['bash', '-euo', 'pipefail', '-c', script],
                cwd=cwd or self.root,
                env={**self.environment(others), **(env or {})},
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=LIMIT,
            )  # fmt: skip
        done = self.done[key]
        assert done.returncode == 0, f'{script}\n{done.stdout}\n{done.stderr}'
        return done.stdout

    def _layered(self, env, base):
        """An environment on top of another's packages; its pip, a script."""
        subprocess.run(
            [base / 'bin/python', '-m', 'venv', '--without-pip', env],
            check=True,
        )
        (site,) = base.glob('lib/python3*/site-packages')
        (own,) = env.glob('lib/python3*/site-packages')
        (own / 'shared.pth').write_text(
            f"import site; site.addsitedir('{site}')"
        )
        pip = env / 'own/pip'
        write_script(
            pip,
            f'exec {PLAIN}/bin/python -m pip --python {env}/bin/python '
            '--disable-pip-version-check "$@"\n',
        )
        return pip

    def install(self, script, others):
        """Run lines that clone and install, in an environment of their own."""
        place = self.folder / f'install{len(self.done)}'
        place.mkdir()
        (place / 'photos').symlink_to(self.root / 'photos')
        base = OTHERS if others else PLAIN
        pip = self._layered(place / 'env', base)
        path = f'{pip.parent}:{place}/env/bin:{os.environ["PATH"]}'
        modules = f'{self.folder}/site:{ROOT}/tools/dev/smp' if others else ''
        variables = {'PATH': path, 'PYTHONPATH': modules}
        self.run(script, others, place, variables)
        assert (place / 'mmerf/pyproject.toml').exists()
        if 'pip install' not in script:
            return
        where = 'import mmerf; print(mmerf.__file__)'
        found = self.run(f"python -I -c '{where}'", others, place, variables)
        assert found.strip() == str(place / 'mmerf/mmerf/__init__.py')

    def train(self, config, name, others=False):
        """Train by a config for four iterations, with two validations."""
        if not (self.root / config).exists():
            config = f'configs/demo/{config}'
        self.run(
            'python "$(python -c "import mmseg; print(mmseg.__path__[0])")'
            f'/.mim/tools/train.py" {config} --work-dir work_dirs/{name} '
            '--cfg-options train_cfg.max_iters=4 train_cfg.val_interval=2 '
            'default_hooks.checkpoint.interval=4',
            others,
        )
        return self.root / 'work_dirs' / name
