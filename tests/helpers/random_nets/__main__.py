"""Make nets again: ``python -m helpers.random_nets 17 [--smaller map]``."""

import argparse
import ast
import warnings

from . import check_net
from .nets import Recipe
from .shrink import check_recipe, shrink

PARTS = ('map', 'pixel', 'theory', 'trace')

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('seeds', type=int, nargs='*')
parser.add_argument('--recipe', help='as a failing net prints it')
parser.add_argument(
    '--smaller', choices=PARTS, help='also drop blocks while this is wrong'
)
args = parser.parse_args()
warnings.filterwarnings('ignore')
records = [check_net(seed) for seed in args.seeds]
if args.recipe:
    records.append(check_recipe(Recipe(*ast.literal_eval(args.recipe)), True))
for record in records:
    print(record)
    for layer in record.layers:
        print(f'  {layer}')
    if args.smaller and any(args.smaller in x.failed for x in record.layers):
        print(f'smaller:\n{shrink(record, args.smaller)}')
