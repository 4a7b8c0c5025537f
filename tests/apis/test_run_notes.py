from mmerf.apis.config.config_file import one_line
from mmerf.apis.run_notes import skipped_reasons


def test_every_reason_is_given_once_with_its_images():
    skipped = {f'{i}.png': 'damaged' for i in range(40)}
    skipped['text.png'] = 'it is not an image'
    assert skipped_reasons(skipped) == (
        '0.png and 39 more: damaged; text.png: it is not an image'
    )


def test_long_reasons_end_with_a_whole_word():
    words = 'syllables ' * 40
    reasons = skipped_reasons({'a': words, 'b': f'{words}!'})
    for text, most in ((reasons, 400), (one_line(ValueError(words)), 300)):
        assert most - 12 < len(text) <= most
        assert text.endswith(' syllables...')
    assert one_line(ValueError('x' * 400)) == 'x' * 297 + '...'
