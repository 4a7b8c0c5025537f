import importlib.util
from pathlib import Path

import pytest
from PIL import Image

from mmerf.plots import questions as figures

ROOT = Path(__file__).parents[2]


@pytest.fixture
def questions():
    spec = importlib.util.spec_from_file_location(
        '_questions', ROOT / 'tools/questions.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_panel_for_each_target_and_class(
    questions, config, tmp_path, capsys, monkeypatch
):
    drawn = []
    plot = figures.plot_questions

    def spy(panels, **options):
        drawn.append({k: r.definition['score'] for k, r in panels.items()})
        return plot(panels, **options)

    monkeypatch.setattr(figures, 'plot_questions', spy)
    out = tmp_path / 'out' / 'q.png'
    args = [str(config), '--layer', 'backbone[1]', '--num-images', '2']
    targets = ['CentreUnit', 'grid=2x2', 'unit=1,1']
    assert (
        questions.main([*args, '--targets', *targets, '--out', str(out)]) == 0
    )
    assert 'initial weights' in capsys.readouterr().out
    (panels,) = drawn
    assert list(panels) == ['centre unit', 'grid 2x2', 'unit 1,1']
    assert 'each of 2 x 2 units' in panels['grid 2x2']
    assert Image.open(out).width > 600


def test_mistakes_are_one_line(questions, config, capsys):
    assert questions.main([str(config), '--targets', 'grid=x']) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1
