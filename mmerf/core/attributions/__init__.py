"""Attributions: (forward, inputs, target, layers) -> per-image maps.

A new one joins by one file and one line in ``ATTRIBUTIONS``. It is called
with the batch and gives, as a mapping or one after the other, the maps of
every score by its key.
"""

from collections.abc import Callable

from .captum import Captum
from .grad_cam import GradCAM
from .input_gradient import InputGradient, LayerMaps
from .noise_variance import NoiseVariance
from .occlusion import Occlusion
from .presets import Luo, MambaIR, RepLKNet, VMamba
from .smooth_grad import SmoothGrad

ATTRIBUTIONS: dict[str, Callable] = {
    'InputGradient': InputGradient,
    'RepLKNet': RepLKNet,
    'VMamba': VMamba,
    'MambaIR': MambaIR,
    'Luo': Luo,
    'SmoothGrad': SmoothGrad,
    'NoiseVariance': NoiseVariance,
    'Occlusion': Occlusion,
    'GradCAM': GradCAM,
    'Captum': Captum,
}

__all__ = ['ATTRIBUTIONS', 'InputGradient', 'LayerMaps']
