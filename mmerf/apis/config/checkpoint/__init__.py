"""A file of weights -> a model that has them; no code of the file runs.

``load.py`` is the way in. A file is read (``read_file``, by its format in
``torch_file`` or ``safetensors_file``), the weights in it are found
(``containers``), their keys are matched with the model's (``key_mapping``).
"""

from .load import load_checkpoint

__all__ = ['load_checkpoint']
