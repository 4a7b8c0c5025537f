"""Run a script where torchvision was built for another torch.

PyPI's torchvision is built for CUDA; beside a CPU torch its compiled
operators are missing, and importing it fails as it registers gradients for
them: 'operator torchvision::nms does not exist'. Declaring the operators
beforehand lets it import. None of them is called here: they are for
detection, and would fail.

    python tools/dev/smp/with_torchvision.py tools/erf.py CONFIG ...
"""

import runpy
import sys
from pathlib import Path

import torch

SCHEMAS = """
nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
roi_align(Tensor input, Tensor rois, float spatial_scale,
    SymInt pooled_height, SymInt pooled_width, int sampling_ratio,
    bool aligned) -> Tensor
qroi_align(Tensor input, Tensor rois, float spatial_scale,
    int pooled_height, int pooled_width, int sampling_ratio, bool aligned)
    -> Tensor
_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale,
    SymInt pooled_height, SymInt pooled_width, SymInt batch_size,
    SymInt channels, SymInt height, SymInt width, int sampling_ratio,
    bool aligned) -> Tensor
roi_pool(Tensor input, Tensor rois, float spatial_scale,
    SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax,
    float spatial_scale, SymInt pooled_height, SymInt pooled_width,
    SymInt batch_size, SymInt channels, SymInt height, SymInt width)
    -> Tensor
ps_roi_align(Tensor input, Tensor rois, float spatial_scale,
    SymInt pooled_height, SymInt pooled_width, int sampling_ratio)
    -> (Tensor, Tensor)
_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping,
    float spatial_scale, SymInt pooled_height, SymInt pooled_width,
    int sampling_ratio, SymInt batch_size, SymInt channels, SymInt height,
    SymInt width) -> Tensor
ps_roi_pool(Tensor input, Tensor rois, float spatial_scale,
    SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping,
    float spatial_scale, SymInt pooled_height, SymInt pooled_width,
    SymInt batch_size, SymInt channels, SymInt height, SymInt width)
    -> Tensor
deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask,
    Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h,
    SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups,
    SymInt offset_groups, bool use_mask) -> Tensor
_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight,
    Tensor offset, Tensor mask, Tensor bias, SymInt stride_h,
    SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h,
    SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask)
    -> (Tensor, Tensor, Tensor, Tensor, Tensor)
"""


def declare():
    """Declare torchvision's operators if its compiled part does not load."""
    try:
        import torchvision
    except RuntimeError as error:
        if 'torchvision::' not in str(error):
            raise
        for name in [n for n in sys.modules if n.startswith('torchvision')]:
            del sys.modules[name]
    else:
        return None
    library = torch.library.Library('torchvision', 'DEF')
    one_line = SCHEMAS.replace('\n    ', ' ').strip()
    for schema in one_line.splitlines():
        library.define(schema)
    import torchvision  # noqa: F401

    return library


if __name__ == '__main__':
    kept = declare()  # the declarations last as long as this object
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name='__main__')
