"""Run a batch: in windows where fields are smaller than the image, else whole.

These decisions change the cost of a map and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from torch import Tensor, nn

from ..aggregate.batch_maps import Gathering
from ..attributions.base import Attribution
from ..batch import Batch, Forward, JoinedInputs
from ..folding.foldings import Foldings
from ..grid.coordinates import Grid
from ..partial.partial_forwards import CONFIRMED, IN_PART, PartialForwards
from ..running.afresh import afresh
from ..running.intercept import noticed_tensor_hooks
from ..running.layer_scores import LayerScores
from ..shortcuts.budget import Budget, is_large
from ..shortcuts.layout import Layout
from ..shortcuts.pass_size import most_together
from ..shortcuts.trial import Trial
from ..shortcuts.witness import Witness
from ..state.isolation import Between, state_restored
from ..switching.switched_off import SwitchedOff
from ..targets.base import Target
from ..windows.planner import WindowPlan
from ..windows.plans import Plans
from .again import RunAgain
from .choices import Choices, choices_of, choosing, choosing_in_window
from .maps_in_window import maps_in_window
from .run_modes import (
    AS_PLAIN,
    HOOKS,
    TIES,
    TOO_FEW,
    described_modes,
    modes_on_one_line,
)
from .ties import has_ties

Grids = dict[str, Grid]


class Passes:
    """Runs the batches of a measurement.

    Args:
        model (nn.Module): Preserved: in eval mode, parameters frozen.
        layers (LayerScores): The layers that are measured.
        attribution (Attribution): How contributions are found.
        switched_off (SwitchedOff): Modules that are off in every pass.

    Attributes:
        run_mode (dict[str, str]): By layer key, where it was run, and why.
        budget (Budget): Says for how many images a search pays.
        plans (Plans): How images of each size are run.
        layout (Layout): How images lie in memory.
        partial (PartialForwards): Forwards that compute a part.
        between (Between): Shared by passes that follow each other.
        witness (Witness): Says whether images may be run together.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: LayerScores,
        attribution: Attribution,
        switched_off: SwitchedOff,
    ) -> None:
        self.model, self.layers = model, layers
        self.attribution, self.switched_off = attribution, switched_off
        self.run_mode: dict[str, str] = {}
        self.budget = Budget()
        self.plans = Plans(model, layers)
        self.layout = Layout()
        self.partial = PartialForwards(model, attribution)
        self.foldings = Foldings(model, layers)
        self.trial = Trial(
            model, layers, attribution, self.budget, self.layout
        )
        self.witness = Witness(model, layers, attribution)
        self.between = Between()
        self._once: str | None = None  # why the next pass is run plainly
        self._poolings: int | None = None  # of a forward
        self._joined: JoinedInputs | None = None  # of the batch that is run

    @property
    def summary(self) -> str:
        """Run modes, each with its layers, on one line."""
        return modes_on_one_line(self.run_mode)

    def run(
        self, batch: Batch, target: Target, gathering: Gathering
    ) -> tuple[list[str], Grids]:
        """Measure a batch.

        Args:
            batch (Batch): Images (N, ..., C, H, W) on the model's device,
                which the budget has counted.
            target (Target): What is scored; bound to this batch.
            gathering (Gathering): Collects the maps.

        Returns:
            tuple: Keys of the outputs that were measured, in the order of
            the layers, and each one's grid over the whole image.

        Raises:
            RunAgain: If the pass is to be run again, in another way.
            NotTogether: If its images are to be run one by one.
        """
        with self.witness.watching_pass(self.trial.plain_because):
            return self._run_any(batch, target, gathering)

    def _several_follow(self) -> bool:
        alone = self.witness.watches
        return alone and most_together(self.witness) > 1

    def _run_any(
        self, batch: Batch, target: Target, gathering: Gathering
    ) -> tuple[list[str], Grids]:
        self._joined, images = batch.joined, batch.inputs
        if self.trial.is_due(images):
            several = self._several_follow
            with self.trial.around(batch.forward, images, several):
                reason = self._plan(batch.forward, images, target).reason
                return self._run_plain(reason, batch, target, gathering)
        done = self._run_batch(batch, target, gathering)
        if not self.trial.compares(images):
            return done
        forward = afresh(self.model, batch.forward)
        plan = self.plans.known(images) or self.plans.whole()
        run = *plan.layers_and_images(self.layers, images), images.shape[1:]
        self.layout.error = self.trial.own_backward
        if self.layout.error or self.layout.disagrees(forward, *run):
            self.forget_plans()
            raise RunAgain
        return done

    def forget_plans(self) -> None:
        """Start anew, as images come in another layout."""
        self.plans.forget()
        self.partial.forget()
        self.layers.forget()

    def run_plainly(self, because: str) -> bool:
        """Take no shortcut from now on; False if none was taken already."""
        if self.trial.plain_because is not None:
            return False
        self.trial.plain_because = because
        self.foldings.forget()
        self.forget_plans()
        return True

    def _run_batch(
        self, batch: Batch, target: Target, gathering: Gathering
    ) -> tuple[list[str], Grids]:
        why = self.trial.plain_because or self._once
        if few := why is None and self.trial.is_few(batch.inputs):
            why = self._plan(batch.forward, batch.inputs, target).reason
        self.layers.follow_graph(few and not self.witness.watches)
        if why is not None:
            return self._run_plain(why, batch, target, gathering)
        pays, same = self.budget.pays(batch.inputs), self.between.same
        folding = self.foldings.of(batch.forward, batch.inputs, pays, same)
        applied = self.layout.applies(batch.inputs)
        self.layout.decide(self.layers, batch.inputs)
        if applied and not self.layout.applies(batch.inputs):
            self.forget_plans()  # of an earlier pass
        images = self.layout.of(batch.inputs)
        with folding.applied():
            plan = self._plan(batch.forward, images, target)
        known, choices = self.layers.noticed.chooses, None
        if has_ties(plan, self.layers, batch):
            # To choose as a plain forward does takes one more of them.
            costly = plan.window is None and not self.attribution.repeats
            if costly or not self.layers.noticed.chooses_in_poolings:
                why = plan.reason if costly else TIES
                return self._run_plain(why, batch, target, gathering)
            forward = afresh(self.model, batch.forward)
            choices, self._poolings = choices_of(
                forward, batch.inputs, plan, self._poolings
            )
        with folding.applied(), noticed_tensor_hooks() as hooks:
            forward = batch.forward
            done = self._run(plan, forward, images, target, gathering, choices)
        if choices and choices.failed:
            self._once = TIES
            raise RunAgain
        again = not known and has_ties(plan, self.layers, batch)
        # What sees a gradient may change it, by what is far away, too.
        why = self.trial.own_backward or (HOOKS if hooks else None)
        if why and (plan.window is not None or folding.count):
            self.plans.refuse(why)
            self.foldings.drop(why)
            self.partial.forget()
            again = True
        if again:
            raise RunAgain
        return done

    def _run_plain(
        self, reason: str, batch: Batch, target: Target, gathering: Gathering
    ) -> tuple[list[str], Grids]:
        """Run the whole image without any shortcut of the forward pass."""
        plan, self._once = self.plans.whole(reason), None
        return self._run(plan, batch.forward, batch.inputs, target, gathering)

    def _run(
        self,
        plan: WindowPlan,
        forward: Forward,
        images: Tensor,
        target: Target,
        gathering: Gathering,
        choices: Choices | None = None,
    ) -> tuple[list[str], Grids]:
        grids: Grids = {}
        attribute = self.attribution.of_inputs(self._joined)
        self.layout.forget_measured()
        if self.attribution.one_gradient:  # others run changed images
            if self.budget.records(images, self.layers.noticed):
                attribute = self.partial.around(attribute, bool(choices))
            if self.trial.compares(images):
                attribute = self.layout.watched(attribute)
            attribute = self.witness.around(attribute)
        if plan.window is not None:
            alone = plan.whole is None  # nothing finds what this run leaves
            with nullcontext() if alone else state_restored(self.model):
                here = choosing_in_window(choices, forward, images, plan)
                inside = maps_in_window(
                    attribute, self.layout, plan, here, images, target
                )
            if inside is None:
                self.plans.widen()
                raise RunAgain
            for found in inside:
                gathering.add(found, plan.window.corner)
                layer = found.part.layer
                grids[layer] = plan.places[layer].grid
            mode = 'window {} x {}'.format(*plan.window.size)
            self._record(plan.places, mode, '', bool(choices))
        order: list[str] = []
        if plan.whole is not None:
            everywhere = choosing(choices, forward, images)
            for found in attribute(everywhere, images, target, plan.whole):
                gathering.add(found)
            order = plan.whole.order
            grids |= plan.whole.grids(tuple(images.shape[1:]))
            self._record(order, 'whole image', plan.reason, bool(choices))
        every = dict.fromkeys([*self.plans.order, *order])
        return [key for key in every if key in grids], grids

    def _record(
        self,
        keys: Iterable[str],
        mode: str,
        no_window: str = '',
        same_choices: bool = False,
    ) -> None:
        given_up = {
            'no window': no_window,
            'batch norms not folded': self.foldings.error,
            'not channels last': self.layout.error,
            'equal values': AS_PLAIN if same_choices else '',
            'one image in a pass': self.witness.refused,
            IN_PART: CONFIRMED if self.partial.in_part else self.partial.error,
        }
        fallbacks = self.attribution.fallbacks
        self.run_mode |= described_modes(keys, mode, given_up, fallbacks)

    def _plan(
        self, forward: Forward, images: Tensor, target: Target
    ) -> WindowPlan:
        windowed = self.attribution.windowed and target.windowed
        if not (windowed and is_large(images)):
            return self.plans.whole()
        unknown = self.plans.known(images) is None
        noticed = self.layers.noticed if unknown else None
        if not self.budget.pays(images, noticed):
            return self.plans.whole(TOO_FEW)
        return self.plans.find(forward, images, target)
