from dataclasses import replace

from mmerf.apis import ERFRun
from mmerf.apis.write_outputs import write_report


def test_a_profile_is_drawn_of_fields_only(make_result, tmp_path):
    field = make_result()
    seen = replace(field, kind='attention')
    for name, results, expected in (
        ('fields', {'a': field}, ['erf.json', 'erf.png', 'profile.png']),
        ('seen', {'a': seen}, ['erf.json', 'erf.png']),
    ):
        files = write_report(ERFRun(results), tmp_path / name)
        assert [path.name for path in files] == [*expected, 'a.npz', 'a.png']
        found = sorted(path.name for path in (tmp_path / name).iterdir())
        assert found == sorted(path.name for path in files)
