"""Make nets again: ``python -m helpers.random_nets 17 [--smaller map]``."""

import argparse
import warnings

from . import check_net
from .shrink import shrink

PARTS = ('map', 'pixel', 'theory', 'trace')

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('seeds', type=int, nargs='+')
parser.add_argument(
    '--smaller', choices=PARTS, help='also drop blocks while this is wrong'
)
args = parser.parse_args()
warnings.filterwarnings('ignore')
for seed in args.seeds:
    found = check_net(seed)
    print(found)
    for layer in found.layers:
        print(f'  {layer}')
    if args.smaller and any(args.smaller in x.failed for x in found.layers):
        print(f'smaller:\n{shrink(found, args.smaller)}')
