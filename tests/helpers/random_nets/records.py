"""What was found for a net and its layers."""

from dataclasses import dataclass, field

from .nets import Recipe

BAD = ('wrong', 'crashed')


@dataclass
class LayerRecord:
    """What was found for one layer.

    Attributes:
        key (str): The layer.
        map (str): ``agrees``, ``wrong``, ``refused`` or ``crashed``.
        pixel (str): ``right``, ``unknown``, ``wrong``, or ``claimed`` where
            nothing is to be known.
        theory (str): ``right``, ``bound``, ``unknown``, ``wrong`` or ``-``.
        trace (str): ``none``, or ``wrong`` if outputs changed.
        window (bool): Whether it ran in a window.
        in_part (bool): Whether its convolutions were computed in part.
        one_by_one (str): Why images that were given one by one were run so.
        details (list[str]): Of all that is not well.
    """

    key: str
    map: str = 'agrees'
    pixel: str = 'unknown'
    theory: str = '-'
    trace: str = 'none'
    window: bool = False
    in_part: bool = False
    one_by_one: str = ''
    details: list = field(default_factory=list)

    @property
    def failed(self):
        """Names of what is wrong or crashed."""
        names = ('map', 'pixel', 'theory', 'trace')
        return [name for name in names if getattr(self, name) in BAD]


@dataclass
class NetRecord:
    """What was found for a net.

    Attributes:
        seed (int, optional): That it was drawn from.
        recipe (Recipe): That it is made again from.
        layers (list[LayerRecord]): Of its measured layers.
        seconds (float): That all took.
    """

    seed: int | None
    recipe: Recipe
    layers: list
    seconds: float

    @property
    def failed(self):
        return [f'{getattr(r, n)} {n}' for r in self.layers for n in r.failed]

    def __str__(self):
        """Lines that make the net again, its blocks, and what is wrong."""
        again = (
            f'--recipe "{tuple(vars(self.recipe).values())}"'
            if self.seed is None
            else self.seed
        )
        lines = [
            f'PYTHONPATH=.:tests python -m helpers.random_nets {again}',
            f'  {self.recipe.batch} {self.recipe.style} images of '
            f'{self.recipe.size}, '
            f'target {self.recipe.target}, measured '
            + ', '.join(layer.key for layer in self.layers),
        ]
        lines += [
            f'  blocks.{number}: {kind} (seed {seed})'
            for number, (kind, seed) in enumerate(self.recipe.blocks)
        ]
        for record in self.layers:
            lines += [f'  {record.key}: {text}' for text in record.details]
        return '\n'.join(lines)
