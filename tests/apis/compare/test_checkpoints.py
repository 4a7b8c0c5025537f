"""The config that is found beside a checkpoint."""

import pytest

from mmerf.apis.compare.checkpoints import config_of_training
from mmerf.core.errors import ConfigError


def test_the_config_beside_a_checkpoint_is_taken(tmp_path):
    checkpoint = tmp_path / 'iter_8.pth'
    with pytest.raises(ConfigError, match='holds none where'):
        config_of_training(checkpoint)
    (tmp_path / 'net.py').write_text('')
    assert config_of_training(checkpoint) == tmp_path / 'net.py'
    (tmp_path / 'other.py').write_text('')
    with pytest.raises(ConfigError, match=r'net.py, other.py .* --config'):
        config_of_training(checkpoint)
