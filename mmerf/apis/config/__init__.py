"""Config and checkpoint files -> a model in eval mode, and its layers.

Everything that is read of a config is read here: its file, model, weights,
and where its dataset and pipeline are.
"""
