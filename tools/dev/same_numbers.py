"""Show that a refactoring changes no measured number.

Take every result before and after it, then compare the two bit for bit. Run
it from the root of a checkout, which has to come first on PYTHONPATH.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

import mmseg
import numpy as np
import torch

import mmerf
from mmerf.apis import run_erf

THREADS = 2
FCN = 'configs/demo/fcn_texture.py'
MIT = 'configs/demo/segformer_texture.py'
B0 = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
PSP = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
# How something was measured; only the deviation is a measured number.
PROVENANCE = re.compile(r'\.provenance(?!\.deviation_from_float32)')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def cases(data: Path) -> dict[str, tuple[str, dict | None]]:
    """By name: a config, and run_erf's options; None to train it."""
    photos = {'img_dir': data / 'photos'}
    three = {**photos, 'num_images': 3}
    wide = {**three, 'input_size': (256, 512)}
    stages = {'layers': [f'backbone[{stage}]' for stage in range(4)]}
    patches = {'patch_size': 32, 'batch_size': 8}
    noise = {'type': 'NoiseVariance', 'draws': 4, **patches}
    truth = {'type': 'ClassRegion', 'region': 'ground_truth'}
    questions = {
        'validation': {},
        'photos': photos,
        'classes': {'target': {'type': 'ClassRegion'}},
        'labels': {'target': truth},
        'units': {'target': {'type': 'UnitGrid', 'rows': 2, 'columns': 2}},
        'smooth_grad': {'attribution': {'type': 'SmoothGrad', 'samples': 2}},
        'noise': {'attribution': noise, 'num_images': 2},
        'occlusion': {'attribution': {'type': 'Occlusion', **patches}},
        'grad_cam': {'attribution': 'GradCAM'},
        'bfloat16': {'amp': 'bfloat16'},
        'batches': {'batch_size': 4},
        'auto': {'num_images': 'auto', 'tolerance': 0.1},
    }
    return {
        'fcn/training': (FCN, None),
        'segformer/training': (MIT, None),
        **{f'fcn/{name}': (FCN, o) for name, o in questions.items()},
        'segformer/validation': (MIT, {}),
        'segformer/photos': (MIT, photos),
        'b0/256x256': (B0, {**three, 'input_size': (256, 256)}),
        'pspnet/256x512': (PSP, wide),
        'pspnet/512x512': (PSP, {**wide, **stages, 'input_size': (512, 512)}),
    }


def train(config: str, folder: Path, roots: dict, checkpoint: Path) -> None:
    """Train with the hook; keep its results, and weights if there are none."""
    script = Path(mmseg.__path__[0]) / '.mim' / 'tools' / 'train.py'
    work = folder / 'work_dir'
    command = [sys.executable, script, config, '--work-dir', work]
    command += ['--cfg-options', *(f'{k}={v}' for k, v in roots.items())]
    env = {'PYTHONPATH': str(Path.cwd()), 'OMP_NUM_THREADS': str(THREADS)}
    env = {**os.environ, **env, 'PYTHONWARNINGS': 'ignore'}
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    (erf,) = work.glob('*/vis_data/erf')
    drop = shutil.ignore_patterns('*.png', '*.py', 'images', 'scalars.json')
    shutil.copytree(erf, folder, ignore=drop, dirs_exist_ok=True)
    if not checkpoint.exists():
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / 'iter_160.pth', checkpoint)
    shutil.rmtree(work)


def measure(config: str, folder: Path, **options: object) -> None:
    """Write the results, notes and skipped images of one run."""
    run = run_erf(config, seed=0, **options)
    summary = {'absent': list(run.absent), 'skipped': len(run.skipped)}
    summary |= {'layer': 'run', 'order': list(run.results)}
    lines = [{**summary, 'provenance': {'notes': run.notes}}]
    for layer, result in run.results.items():
        result.save(folder / f'{quote(layer, safe="[]@")}.npz')
        lines.append(result.record())
    (folder / 'erf.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    if run.image is not None:
        np.savez_compressed(folder / 'mean image.npz', image=run.image)


def take(args: argparse.Namespace) -> int:
    """Measure every case into a folder."""
    if Path.cwd() not in Path(mmerf.__file__).resolve().parents:
        sys.exit(f'{mmerf.__file__} is not of this checkout; set PYTHONPATH')
    warnings.filterwarnings('ignore')  # other packages' warnings
    torch.set_num_threads(THREADS)
    data = args.data.resolve()
    roots = {f'{loader}.dataset.data_root': str(data) for loader in LOADERS}
    checkpoints = args.checkpoints or args.folder / 'checkpoints'
    chosen = [c for c in cases(data).items() if fnmatch(c[0], args.only)]
    for name, (config, options) in chosen:
        folder, began = args.folder / name, time.perf_counter()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        weights = checkpoints / f'{Path(config).stem}.pth'
        if options is None:
            train(config, folder, roots, weights)
        elif config.startswith('mmseg::'):
            measure(config, folder, **options)
        else:
            trained = {'checkpoint': weights, 'cfg_options': roots}
            measure(config, folder, **trained, **options)
        print(f'{name}: {time.perf_counter() - began:.0f} s', flush=True)
    return 0


def read(folder: Path, only: str) -> dict[str, dict]:
    """By name: each array, and each value of the JSON by its key."""
    found = {}
    for path in folder.rglob('*.npz'):
        with np.load(path, allow_pickle=False) as file:
            values = dict(file)
        values |= leaves(json.loads(str(values.pop('meta', '{}'))))
        found[str(path.relative_to(folder))] = values
    for path in folder.rglob('erf.jsonl'):
        for record in map(json.loads, path.read_text().splitlines()):
            place = f'{record["layer"]} {record.get("step", "")}'.strip()
            found[f'{path.relative_to(folder)} {place}'] = leaves(record)
    return {k: v for k, v in found.items() if fnmatch(k, only + '*')}


def leaves(value: object, key: str = '') -> dict[str, str]:
    """Every value that is no dict, as JSON text, by its dotted key."""
    if not value or not isinstance(value, dict):
        return {key: json.dumps(value)}
    parts = (leaves(value[name], f'{key}.{name}') for name in value)
    return {name: text for part in parts for name, text in part.items()}


def difference(one: object, other: object) -> str | None:
    """How two values differ; None where they are the same bit for bit."""
    if one is None or other is None:
        return ' (missing)'
    if isinstance(one, str):
        return None if one == other else ''
    if one.shape != other.shape:
        return f' ({one.shape}, {other.shape})'
    if one.dtype == other.dtype and one.tobytes() == other.tobytes():
        return None
    apart, largest = np.nanmax(np.abs(one - other)), np.nanmax(np.abs(one))
    return f' (by {apart:.3g}, of {largest:.3g})'


def compare(args: argparse.Namespace) -> int:
    """Print what differs between two takes; 1 if anything measured does."""
    takes = [read(folder, args.only) for folder in (args.folder, args.other)]
    names, bad = sorted({*takes[0], *takes[1]}), 0
    for name in names:
        a, b = (found.get(name, {}) for found in takes)
        apart = {k: difference(a.get(k), b.get(k)) for k in {**a, **b}}
        apart = {k: how for k, how in apart.items() if how is not None}
        origin = [key for key in apart if PROVENANCE.match(key)]
        measured = [k + how for k, how in apart.items() if k not in origin]
        verdict = f'DIFFERS in: {", ".join(measured)}' if measured else 'equal'
        if not a or not b:
            verdict = f'only in {args.folder if a else args.other}'
        elif origin:
            verdict += f'; provenance differs in: {", ".join(origin)}'
        bad += bool(measured)
        print(f'{name}: {verdict}')
    print(f'{len(names)} results, {len(names) - bad} equal, {bad} not')
    return int(bad > 0 or not names)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    taking = commands.add_parser('take', help='measure every case')
    comparing = commands.add_parser('compare', help='compare two takes')
    for command, function in ((taking, take), (comparing, compare)):
        command.add_argument('folder', type=Path, help='folder of a take')
        command.add_argument(
            '--only',
            default='*',
            metavar='GLOB',
            help="cases to take or compare, such as 'fcn/*' (default: all)",
        )
        command.set_defaults(function=function)
    taking.add_argument(
        '--data',
        type=Path,
        required=True,
        help='data set of tools/make_demo_data.py (required)',
    )
    taking.add_argument(
        '--checkpoints',
        type=Path,
        help='folder of the trained weights; made if missing (default: '
        'checkpoints inside the folder of the take)',
    )
    comparing.add_argument('other', type=Path, help='folder of another take')
    args = parser.parse_args()
    return args.function(args)


if __name__ == '__main__':
    sys.exit(main())
