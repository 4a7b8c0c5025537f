"""Read back what each vis backend stores of a training with ERFHook.

The suite runs this for the backends that are always installed; backends.sh,
beside this file, for the others, each in an environment of its own:

    python -m pytest tools/dev/backends.py -k wandb
"""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LAYERS = ('backbone[3]', 'decode_head')
PICTURES = ('all_layers', *LAYERS, 'growth')
STEPS = (0, 2, 4)
SCALARS = ('side_0.5', 'side_0.99', 'area_ratio_0.5')
TAGS = [f'erf_{name}/{layer}' for layer in LAYERS for name in SCALARS]
CONFIGS = dict(
    tensorboard=dict(type='TensorboardVisBackend'),
    mlflow=dict(type='MLflowVisBackend'),
    wandb=dict(type='WandbVisBackend', init_kwargs=dict(mode='offline')),
    clearml=dict(
        type='ClearMLVisBackend',
        init_kwargs=dict(
            project_name='mmerf',
            task_name='erf',
            auto_connect_frameworks=False,
            auto_resource_monitoring=False,
        ),
    ),
    dvclive=dict(
        type='DVCLiveVisBackend',
        init_kwargs=dict(save_dvc_exp=False, cache_images=False),
    ),
)
ALWAYS = ('tensorboard',)


def pixels(path):
    return np.asarray(Image.open(path).convert('RGB'))


def read_local(vis_data):
    scalars = {}
    for line in (vis_data / 'scalars.json').read_text().splitlines():
        values = json.loads(line)
        for tag in [*TAGS, 'mIoU']:
            if tag in values:
                scalars.setdefault(tag, []).append(
                    (values['step'], values[tag])
                )
    images = {
        (layer, step): pixels(vis_data / f'vis_image/erf/{layer}_{step}.png')
        for layer in PICTURES
        for step in STEPS
    }
    return scalars, images


def read_tensorboard(vis_data):
    from io import BytesIO

    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(
        str(vis_data), size_guidance=dict(images=0, scalars=0)
    )
    events.Reload()
    scalars = {
        tag: [(e.step, e.value) for e in events.Scalars(tag)]
        for tag in [*TAGS, 'mIoU']
    }
    images = {
        (layer, e.step): pixels(BytesIO(e.encoded_image_string))
        for layer in PICTURES
        for e in events.Images(f'erf/{layer}')
    }
    return scalars, images


def read_mlflow(vis_data):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f'file://{vis_data}')
    (run,) = client.search_runs(
        [client.get_experiment_by_name('Default').experiment_id]
    )

    def plain(name):  # brackets are what MLflow refuses
        return name.replace('[', '-').replace(']', '')

    scalars = {
        tag: [
            (m.step, m.value)
            for m in client.get_metric_history(run.info.run_id, plain(tag))
        ]
        for tag in [*TAGS, 'mIoU']
    }
    root = Path(run.info.artifact_uri.removeprefix('file://')) / 'erf'
    images = {
        (layer, step): pixels(root / f'{plain(layer)}_{step}.png')
        for layer in PICTURES
        for step in STEPS
    }
    return scalars, images


def read_wandb(vis_data):
    """W&B stores no step: the first value is of step 0, then 2, then 4."""
    (path,) = vis_data.glob('wandb/offline-run-*/*.wandb')
    scalars, names = {}, {}
    for record in wandb_records(path.read_bytes()):
        for item in record.history.item:
            tag = item.key or '/'.join(item.nested_key)
            value = json.loads(item.value_json)
            if tag in TAGS or tag == 'mIoU':
                steps = STEPS[1:] if tag == 'mIoU' else STEPS
                known = scalars.setdefault(tag, [])
                known.append((steps[len(known)], float(value)))
            elif tag.startswith('erf/') and tag.endswith('/path'):
                layer = tag.removeprefix('erf/').removesuffix('/path')
                names.setdefault(layer, []).append(value)
    images = {
        (layer, step): pixels(path.parent / 'files' / name)
        for layer, found in names.items()
        for step, name in zip(STEPS, found, strict=True)
    }
    return scalars, images


def wandb_records(data):
    """Records of W&B's offline file: LevelDB's log format after 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    place, whole = 7, b''
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack('<IHB', data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # full, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b''


def read_clearml(vis_data):
    (folder,) = Path(os.environ['CLEARML_CACHE_DIR']).glob('offline/*/')
    events = []
    for line in (folder / 'metrics.jsonl').read_text().splitlines():
        events += json.loads(line)
    scalars, images = {}, {}
    for event in events:
        if event['type'] == 'training_stats_scalar':
            scalars.setdefault(event['metric'], []).append(
                (event['iter'], event['value'])
            )
        elif event['metric'].startswith('erf/'):
            layer = event['metric'].removeprefix('erf/')
            path = folder / 'data' / event['key']
            images[layer, event['iter']] = pixels(path)
    return scalars, images


def read_dvclive(vis_data):
    scalars = {}
    for tag in [*TAGS, 'mIoU']:
        lines = (vis_data / f'plots/metrics/{tag}.tsv').read_text()
        scalars[tag] = [
            (int(step), float(value))
            for step, value in map(str.split, lines.splitlines()[1:])
        ]
    images = {
        (layer, step): pixels(
            vis_data / f'plots/images/erf/{layer}/{step}.png'
        )
        for layer in PICTURES
        for step in STEPS
    }
    return scalars, images


def prepare(name, folder, monkeypatch):
    """Keep a backend offline and inside the test's folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv('WANDB_SILENT', 'true')
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    monkeypatch.setenv('CLEARML_CACHE_DIR', str(folder / 'clearml'))
    if name == 'clearml':
        from clearml import Task

        Task.set_offline(True)
        # else it looks through every installed package for minutes
        (folder / 'none.txt').write_text('\n')
        Task.force_requirements_env_freeze(True, str(folder / 'none.txt'))


def check(name, make_runner, folder, monkeypatch):
    """Train with a backend and read back what it holds."""
    prepare(name, folder, monkeypatch)
    hook = dict(
        type='ERFHook',
        layers=list(LAYERS),
        num_images=4,
        initial=True,
        on_error='raise',
        target=dict(type='CentreUnit', relu=False),
    )
    backends = [dict(type='LocalVisBackend'), CONFIGS[name]]
    runner = make_runner([hook], backends=backends)
    runner.train()
    vis_data = Path(runner.log_dir) / 'vis_data'
    expected, pictures = read_local(vis_data)
    assert sorted(expected) == sorted([*TAGS, 'mIoU'])
    scalars, images = globals()[f'read_{name}'](vis_data)
    for tag in TAGS:
        assert [step for step, _ in scalars[tag]] == list(STEPS), tag
        np.testing.assert_allclose(
            [v for _, v in scalars[tag]],
            [v for _, v in expected[tag]],
            rtol=1e-6,
        )
    # the validation's own metrics come through beside them
    assert [step for step, _ in scalars['mIoU']] == list(STEPS[1:])
    assert images.keys() == pictures.keys()
    near = 6 if name == 'clearml' else 0  # of 255: JPEG files there
    for key, picture in pictures.items():
        assert images[key].shape == picture.shape
        off = np.abs(images[key].astype(int) - picture.astype(int)).mean()
        assert off <= near, key
    assert len({picture.tobytes() for picture in pictures.values()}) == 12


@pytest.mark.parametrize('name', CONFIGS)
def test_backend(name, make_runner, tmp_path, monkeypatch):
    check(name, make_runner, tmp_path, monkeypatch)
