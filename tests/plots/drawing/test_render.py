import pytest

from mmerf.plots import plot_map, save_figure


@pytest.mark.parametrize('suffix', ['png', 'pdf', 'svg'])
def test_files_of_every_format(result, suffix, tmp_path):
    path = save_figure(plot_map(result)[0], tmp_path / f'map.{suffix}')
    head = path.read_bytes()[:200]
    assert {'png': b'PNG', 'pdf': b'%PDF', 'svg': b'<svg'}[suffix] in head or (
        suffix == 'svg' and b'<?xml' in head
    )


def test_words_in_a_pdf_stay_words(result, tmp_path):
    written = save_figure(plot_map(result)[0], tmp_path / 'map.pdf')
    content = written.read_bytes()
    assert b'/FontFile2' in content and b'/Type3' not in content
