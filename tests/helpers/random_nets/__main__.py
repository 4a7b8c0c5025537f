"""Make the nets of some seeds again: ``python -m helpers.random_nets 17``."""

import sys
import warnings

from . import check_net

warnings.filterwarnings('ignore')
for seed in map(int, sys.argv[1:]):
    found = check_net(seed)
    print(found)
    for layer in found.layers:
        print(' ', layer)
