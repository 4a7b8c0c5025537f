"""A small segmentor, trained in a second, and images of known classes."""

import functools

import torch
from torch import nn

CLASSES = ('sky', 'road', 'tree', 'boat')  # no boat is ever seen
COLOURS = torch.tensor([[0.2, 0.5, 1.0], [0.5, 0.5, 0.5], [0.1, 0.7, 0.2]])


class Segmentor(nn.Module):
    """A backbone of stride 2, a head with one channel a class, resized."""

    def __init__(self, classes=4):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(12, 12, 5, 1, 2),
            nn.ReLU(inplace=True),
        )
        self.decode_head = nn.Conv2d(12, classes, 3, padding=1)

    def forward(self, x):
        logits = self.decode_head(self.backbone(x))
        return nn.functional.interpolate(logits, x.shape[2:], mode='bilinear')


def scenes(count, seed=0):
    """Sky over road, a tree in every second one; images and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(count, 32, 40, dtype=torch.long)
    for number, label in enumerate(labels):
        horizon = int(torch.randint(10, 22, (1,), generator=generator))
        label[horizon:] = 1
        if number % 2:
            left = int(torch.randint(2, 28, (1,), generator=generator))
            label[horizon - 8 : horizon + 4, left : left + 10] = 2
    images = COLOURS[labels].permute(0, 3, 1, 2)
    noise = torch.randn(images.shape, generator=generator)
    return images * 2 - 1 + 0.2 * noise, labels


@functools.cache
def trained():
    """The segmentor after 80 steps: over 95 % of pixels are right."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = Segmentor()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    images, labels = scenes(16, seed=1)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_rng_state(state)
    return model.eval()
