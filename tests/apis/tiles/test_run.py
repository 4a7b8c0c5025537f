"""What tiles change, from configs and modules, against plain loops."""

import copy

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.model_state import changes, snapshot
from helpers.photographs import IMAGENET, net, normalised
from mmengine.config import Config
from torch import nn

from mmerf.apis import run_tiles, tiles_from_config, tiles_from_module
from mmerf.apis.config.build_model import build_model
from mmerf.apis.module.module_config import module_config
from mmerf.apis.tiles.proposals import proposed_windows, training_crop
from mmerf.core.errors import ConfigError, ImageError, MeasurementError
from mmerf.core.tiling.borders import border_distances
from mmerf.core.tiling.grid import Tiling
from mmerf.core.tiling.slide import slide
