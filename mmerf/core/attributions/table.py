"""All attributions by name: a new one is one line here."""

from __future__ import annotations

from .base import Attribution
from .captum import Captum
from .grad_cam import GradCAM
from .input_gradient import InputGradient
from .noise_variance import NoiseVariance
from .occlusion import Occlusion
from .presets import Luo, MambaIR, RepLKNet, VMamba
from .smooth_grad import SmoothGrad

ATTRIBUTIONS: dict[str, type[Attribution]] = {
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
