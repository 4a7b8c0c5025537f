"""A measurement: batches go in, ERFResults come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor, nn

from .aggregate.accumulator import Accumulator
from .aggregate.across_ranks import Add, Gather, merge_ranks
from .aggregate.batch_maps import ImageMaps
from .aggregate.precision_check import COMPARED_IMAGES, PrecisionCheck
from .assemble import assemble_results, define, described_input
from .batch import Batch, JoinedInputs
from .build import build_target_and_attribution
from .errors import MeasurementError
from .grid.coordinates import Grid
from .inputs.joining import layer_and_input
from .layers.names import find_layers
from .layers.output_forms import front_tokens
from .options import MeasurementOptions, check_inputs
from .passes.execute import Passes
from .passes.parts import confirm_parts
from .passes.run_pass import run_pass
from .results.erf_result import ERFResult
from .results.provenance import versions
from .running import memory
from .running.layer_scores import LayerScores
from .running.precision import as_weights, device_of
from .switching.switched_off import SwitchedOff
from .theory.theory import FieldAndReason, Theory, theory_of


class Measurement:
    """Measures batches as they come, and averages their maps.

    Args:
        model (nn.Module): Without wrappers such as DDP.
        options (MeasurementOptions, optional): What is measured, and how.

    Raises:
        ConfigError: If an option is wrong.
        LayerError: If a layer name matches no module.

    Attributes:
        seen (int): Number of images measured so far.
        images (list[ImageMaps]): Each image's own maps, if the options keep
            them; 8 bytes per pixel of the image, or of its window, and layer.
        input_shape (tuple[int, ...]): (C, H, W) of the last pass.
        input_kind (str): What the inputs are, such as ``'whole image'``.
        joined (JoinedInputs, optional): Where several inputs are measured.
        theory (Theory, optional): Theoretical fields; set it before
            ``compute`` to store them with the results.
        batch_size (int, optional): Most images in one pass; smaller than the
            option if memory ran out.
        fitting (int, optional): Images that memory holds in a pass.
    """

    def __init__(
        self, model: nn.Module, options: MeasurementOptions | None = None
    ) -> None:
        self.model = model
        self.options = options = options or MeasurementOptions()
        self.target, self.attribution = build_target_and_attribution(
            options.target, options.attribution, options.by_class
        )
        self.target.check_classes(options.classes)
        self.amp, self.batch_size = options.amp, options.batch_size
        off = SwitchedOff(model, options.without)
        layers = off.measurable(find_layers(model, options.layers))
        self.scored = LayerScores(layers, front_tokens(model))
        self.passes = Passes(model, self.scored, self.attribution, off)
        self.fitting: int | None = None
        self.precision_check: PrecisionCheck | None = None
        if options.amp is not None:
            self.precision_check = PrecisionCheck(*self._in_both_precisions())
        self.accumulators: dict[str, Accumulator] = {}
        self.grids: dict[str, set[Grid]] = {}
        self.images: list[ImageMaps] = []
        self.seen, self.input_kind = 0, 'whole image'
        self.input_shape: tuple[int, ...] = ()
        self.theory: Theory | None = None
        self.joined: JoinedInputs | None = None
        self._parts_confirmed = False

    @property
    def layers(self) -> list[str]:
        """Names of the measured modules."""
        return [layer.name for layer in self.scored.layers]

    @property
    def kind(self) -> str:
        """What the results are: ``'erf'`` or ``'attention'``."""
        return self.attribution.kind

    def expect(self, count: int | None) -> None:
        """Say how many images come to this process; None: not known."""
        self.passes.budget.expected = count

    def update(self, batch: Batch) -> None:
        """Measure a batch and add it to the mean.

        If memory runs out, half of the pass is measured, down to one image;
        later passes are as small.

        Args:
            batch (Batch): Images, and how the network is run on them.

        Raises:
            MeasurementError, LayerError, TargetError: If a pass cannot be
                measured. Nothing of that pass is added then, and the model
                is as it was; earlier passes of the batch stay in the mean.
        """
        check_inputs(batch.inputs)
        batch = replace(batch, inputs=as_weights(batch.inputs, self.model))
        if self.seen and batch.joined != self.joined:
            raise MeasurementError(
                'a batch has other inputs or channels than those before; '
                'measure each kind of batch by itself'
            )
        self.input_kind, self.joined = batch.kind, batch.joined
        self.target.check_length(count := len(batch))
        labels = batch.labels() if 'labels' in self.target.needs else None
        known = self.batch_size or self.fitting
        step = known or memory.FIRST_IMAGES
        more = count > step or self.passes.budget.expected != count
        saved = memory.SavedStorages() if more and not known else None

        def measure(part: slice) -> None:
            self._confirm_parts(batch, part.stop - part.start)
            self._measure(
                batch.part(part.start, part.stop),
                None if labels is None else labels[part],
                part,
                saved,
            )

        allowed = memory.run_in_halving_passes(measure, count, step)
        if allowed != step:  # memory ran out
            self.batch_size = allowed
        elif saved is not None and count:
            saved.sizes |= self.passes.witness.saved.sizes
            each = saved.total // min(count, step)
            device = device_of(self.model, batch.inputs)
            self.fitting = memory.images_that_fit(device, each)
        if self.precision_check is not None:
            self.precision_check.update(batch)

    def _confirm_parts(self, batch: Batch, step: int) -> None:
        """Confirm once that a batch may be cut, before the first one is."""
        if self.precision_check is not None:
            step = min(step, COMPARED_IMAGES)
        wanted = batch.by_place and not self._parts_confirmed
        if wanted and (step < len(batch) or self.attribution.repeats):
            size, needs = self.options.input_size, self.target.needs
            confirm_parts(self.passes, batch, step, size, needs)
            self._parts_confirmed = True

    def _measure(
        self,
        batch: Batch,
        labels: Tensor | None,
        part: slice,
        saved: memory.SavedStorages | None,
    ) -> None:
        """Measure one pass and add it to the mean."""
        target = self.target.select(range(part.start, part.stop))
        device = device_of(self.model, batch.inputs)
        batch = replace(batch, inputs=batch.inputs.to(device))
        passes, given = self.passes, (batch, labels, target)
        gathering, done, self.input_shape = memory.run_counted(
            lambda: run_pass(passes, *given, self.options, self.amp), saved
        )
        with memory.out_of_memory_ends():  # half may be in the mean
            gathering.join(*done, self.accumulators, self.grids)
            if self.options.per_image:
                self.images += gathering.image_maps(*done)
        self.seen += len(batch)

    def _in_both_precisions(self) -> tuple[Measurement, Measurement]:
        """The same measurement in float32, and in the reduced precision."""
        options = replace(
            self.options,
            target=self.target,
            attribution=self.attribution,
            batch_size=None,
            amp=None,
            per_image=False,
        )
        exact = Measurement(self.model, options)
        reduced = Measurement(self.model, options)
        reduced.amp = self.options.amp
        return exact, reduced

    def reduce(self, gather: Gather, add: Add) -> None:
        """Merge with the measurements of other processes.

        Every process has to call this.

        Args:
            gather, add (callable): As for
                :func:`mmerf.core.aggregate.across_ranks.merge_ranks`.
        """
        inputs = self.input_kind, self.joined, self.input_shape
        every = gather((self.seen, inputs, self.grids))
        self.accumulators = merge_ranks(self.accumulators, gather, add)
        self.seen, self.grids = 0, {}
        for seen, inputs, grids in every:
            self.seen += seen
            if seen:
                self.input_kind, self.joined, self.input_shape = inputs
            for key, some in grids.items():
                self.grids.setdefault(key, set()).update(some)

    def compute(
        self, provenance: Mapping | None = None
    ) -> dict[str, ERFResult]:
        """The results so far, in the order of the layers.

        Args:
            provenance (mapping, optional): Stored with every result.

        Returns:
            dict[str, ERFResult]: By layer key, or ``'layer:class'``; only
            results with at least one image.

        Raises:
            MeasurementError: If no image was measured.
        """
        if not self.seen:
            raise MeasurementError('no image was measured; give at least one')
        return self._results(self.accumulators, self.grids, provenance)

    def compute_each(
        self, provenance: Mapping | None = None
    ) -> Iterator[tuple[str, dict[str, ERFResult]]]:
        """Each image's name and own results, for the option ``per_image``.

        Yields:
            tuple[str, dict[str, ERFResult]]: As ``compute`` gives them; their
            provenance names the image too.
        """
        for image in self.images:
            own = {**(provenance or {}), 'image': image.name}
            found = self._results(image.accumulators, image.grids, own)
            yield image.name, found

    def _results(
        self,
        accumulators: Mapping[str, Accumulator],
        grids: Mapping[str, set[Grid]],
        provenance: Mapping | None,
    ) -> dict[str, ERFResult]:
        return assemble_results(
            accumulators,
            grids,
            self.theory_of,
            (self.target, self.attribution, self.options),
            lambda key: self.definition(layer_and_input(key)[1]),
            lambda key: {**self._provenance(key), **(provenance or {})},
        )

    def _provenance(self, key: str) -> dict:
        run_on = self.passes.run_mode.get(layer_and_input(key)[0])
        off = self.passes.switched_off.provenance
        found: dict = {**versions(), **off, 'run_on': run_on}
        if self.precision_check is not None:
            found['deviation_from_float32'] = self.precision_check.deviation(
                key, self.options.shares
            )
        return found

    def theory_of(self, key: str) -> FieldAndReason:
        """A result's theoretical field, and why it is missing or a bound."""
        return theory_of(self.theory, key, self.target.at_unit)

    def definition(self, name: str = '') -> dict[str, str]:
        """Descriptions of score, attribution, input, average and precision.

        Args:
            name (str): Of the input that is measured; all, if there is none.
        """
        kind = described_input(self.input_kind, self.joined, name)
        return define(self.target, self.attribution, kind, self.amp)
