"""Where results go: none replaces one of something else."""

import json

import pytest

from mmerf.apis.result_folder import result_folder, write_record
from mmerf.core.errors import ConfigError


def folder(tmp_path, given=None, record='erf.json', **measured):
    return result_folder(
        given, tmp_path / 'erf', ['iter_160', 'photos'], record, measured
    )


def written(place, *names, record='erf.json'):
    files = [place.path / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('content')
    return write_record(place.path / record, {}, files, place.measured)


def test_the_default_names_what_is_measured(tmp_path):
    place = result_folder(
        None, tmp_path, ['iter_160', '', '../a b', 'class=x,y'], 'erf.json', {}
    )
    assert place.path == tmp_path / 'iter_160_a_b_class=x_y'
    assert place.note == ''


def test_something_else_gets_the_next_folder_and_stays_in_it(tmp_path):
    first = folder(tmp_path, seed=0, options={'a': (1, 2)})
    written(first)
    again = folder(tmp_path, seed=0, options={'a': (1, 2)})
    assert again.path == first.path
    assert 'replaces the earlier result of the same' in again.note
    second = folder(tmp_path, seed=1, options={'a': (1, 2)})
    assert second.path.name == 'iter_160_photos-2'
    assert '(seed: 0 there, 1 here)' in second.note
    written(second)
    assert folder(tmp_path, seed=1, options={'a': (1, 2)}).path == second.path
    third = folder(tmp_path, seed=2)
    assert third.path.name == 'iter_160_photos-3'


def test_a_given_folder_is_refused_before_anything_is_measured(tmp_path):
    out = tmp_path / 'out'
    written(folder(tmp_path, out, img_dir='photos'))
    assert folder(tmp_path, out, img_dir='photos').path == out
    with pytest.raises(ConfigError, match=r'img dir: photos there, none here'):
        folder(tmp_path, out)
    with pytest.raises(ConfigError, match=r'of another kind \(erf\)'):
        folder(tmp_path, out, 'tiles.json', img_dir='photos')
    (out / 'erf.json').write_text('{"layers": {}}')
    with pytest.raises(ConfigError, match='does not say what was measured'):
        folder(tmp_path, out, img_dir='photos')
    (out / 'erf.json').write_text('my notes')
    with pytest.raises(ConfigError, match='that is not of this tool'):
        folder(tmp_path, out, img_dir='photos')


def test_the_records_of_one_tool_share_a_folder(tmp_path):
    written(folder(tmp_path, record='context.json'), record='context.json')
    place = folder(tmp_path, record='ranking.json')
    assert place.path.name == 'iter_160_photos' and not place.note


def test_one_file_by_two_names_is_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.pth').write_text('weights')
    written(folder(tmp_path, checkpoint='a.pth'))
    for name in (str(tmp_path / 'a.pth'), './a.pth'):
        place = folder(tmp_path, checkpoint=name)
        assert place.path.name == 'iter_160_photos'
    assert folder(tmp_path, checkpoint='b.pth').path.name.endswith('-2')


def test_files_that_only_the_older_record_lists_are_removed(tmp_path):
    place = folder(tmp_path)
    (tmp_path / 'outside.png').write_text('stays')
    written(place, 'a.npz', 'b.npz', 'images/0_x/erf.png')
    (place.path / 'mine.npz').write_text('stays')
    (place.path / 'linked').symlink_to(tmp_path)
    path = place.path / 'erf.json'
    old = json.loads(path.read_text())
    old['files'] += ['../../outside.png', 'linked/outside.png', 'a\0', 7,
                     str(tmp_path / 'outside.png'), 'notes.txt']  # fmt: skip
    path.write_text(json.dumps(old))
    (place.path / 'notes.txt').write_text('stays')
    written(place, 'a.npz', 'c.npz')
    found = {p.relative_to(place.path).as_posix()
             for p in place.path.rglob('*')}  # fmt: skip
    assert found == {'a.npz', 'c.npz', 'mine.npz', 'notes.txt', 'linked',
                     'erf.json'}  # fmt: skip
    assert (tmp_path / 'outside.png').exists()
    assert json.loads(path.read_text())['files'] == ['a.npz', 'c.npz']
