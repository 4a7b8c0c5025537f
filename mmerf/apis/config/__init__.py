"""Config and checkpoint files to a model that can be measured."""
