"""Networks that know nothing of mmseg, as other packages have them."""

from collections import namedtuple

import torch
from torch import nn
from torch.nn import functional


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.deep = nn.Conv2d(width, 2 * width, 3, 2, 1)

    def forward(self, x):
        first = self.stem(x).relu()
        return [x, first, self.deep(first).relu()]


class Decoder(nn.Module):
    def __init__(self, width, mode):
        super().__init__()
        self.mode = mode
        self.join = nn.Conv2d(3 * width, width, 3, 1, 1)

    def forward(self, features):
        _, first, deep = features
        wide = functional.interpolate(deep, first.shape[2:], mode=self.mode)
        return self.join(torch.cat([first, wide], 1)).relu()


class UNet(nn.Module):
    """Encoder, decoder and head, as segmentation_models_pytorch has them."""

    def __init__(
        self, classes, width=4, mode='nearest', encoder_weights='imagenet'
    ):
        super().__init__()
        if encoder_weights is not None:
            raise OSError('no network')
        self.encoder = Encoder(width)
        self.decoder = Decoder(width, mode)
        self.segmentation_head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        logits = self.segmentation_head(self.decoder(self.encoder(x)))
        return functional.interpolate(logits, scale_factor=2, mode='bilinear')


class Named(nn.Module):
    """A mapping of outputs at an eighth, as torchvision's segmentors give."""

    def __init__(self, classes, key='out'):
        super().__init__()
        self.key = key
        self.backbone = nn.Conv2d(3, 8, 3, 2, 1)
        self.classifier = nn.Conv2d(8, classes, 3, 2, 1)
        self.aux_classifier = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        x = self.backbone(x).relu()
        return {'aux': self.aux_classifier(x), self.key: self.classifier(x)}


class Pair(Named):
    """The same as a tuple."""

    def forward(self, x):
        return tuple(super().forward(x).values())


class Fields(Named):
    """The same as a named tuple."""

    def forward(self, x):
        outputs = super().forward(x)
        return namedtuple('Outputs', outputs)(**outputs)


class Deep(Pair):
    """Two outputs in training, and one tensor after it."""

    def forward(self, x):
        outputs = super().forward(x)
        return outputs if self.training else outputs[0]


class Classifier(nn.Module):
    """No dense output, and an init_weights of its own."""

    def __init__(self, classes=10):
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer2 = nn.Conv2d(4, 4, 3, 2, 1)
        self.fc = nn.Linear(4, classes)

    def init_weights(self):
        raise AssertionError('this would undo what was loaded')

    def forward(self, x):
        x = self.layer2(self.layer1(x).relu()).relu()
        return self.fc(x.mean((2, 3)))


class Features(nn.Module):
    """Stages, as timm's features_only gives them."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer2 = nn.Conv2d(4, 8, 3, 2, 1)

    def forward(self, x):
        first = self.layer1(x).relu()
        return [first, self.layer2(first).relu()]


def classifier(classes=3, **kwargs):
    """A function that builds, with arguments that hide its class's."""
    return Classifier(classes, **kwargs)


def not_a_module():
    return 'text'
