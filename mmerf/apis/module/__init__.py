"""A network without a config: its constructor or file -> what a config gives.

``module_config`` makes the config of its arguments, ``load_module`` the
network, ``stated`` reads what the network states of its inputs.
"""
