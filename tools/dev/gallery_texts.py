"""What the gallery shows, and what a reader sees in it.

Names in braces are filled in from the results: ``half`` and ``most`` are the
sides of the 50 % and 99 % squares by output, ``theory`` the theoretical
fields, ``half_head`` and ``most_head`` the decode head's squares, ``up`` and
``left`` how far the first output's centre of mass lies from its unit, px.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Family(NamedTuple):
    """One config of mmseg, measured with random weights."""

    title: str
    config: str
    text: str
    options: dict[str, Any] = {}


class Trained(NamedTuple):
    """One config of the demo, before and after training."""

    title: str
    config: str
    text: str


INTRODUCTION = """\
# Gallery

What the families of MMSegmentation look at before anyone has trained them, and
what training makes of two small networks: every output of the backbone, then
the decode head. Read a picture as a statement about an *architecture at its
initial weights*; a trained network of the same family looks different, as the
last two show.

Each is the mean over {images} photographs of {size} x {size} px, with the
initial, random weights of the named config (seed {seed}, nothing pretrained),
for the unit in the middle. The squares hold 50 and 99 % of the contribution.
The lines below give their sides, and in brackets the theoretical field;
*global* means that the whole image may count. Colours are
(contribution / max)^0.2, so that faint contributions are seen; grey lies off
the image. ResNets are
built with `zero_init_residual=False`: mmseg starts their residual branches at
zero, and only the shortcuts would be seen.

All of it, numbers included, is made by `make gallery`, in about six minutes of
CPU time.
"""

PLAIN_RESNET = {'model.backbone.zero_init_residual': False}

FAMILIES = {
    'fcn': Family(
        'FCN, ResNet-50',
        'fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py',
        """The field grows evenly, from {half[0]} to {half[3]} px for half of
        the contribution, and falls off smoothly from the unit outwards. Every
        square is smaller than its theoretical field; the fields of the last
        stage and the head, {theory[3]} and {theory[4]} px, are larger than
        the image.""",
        PLAIN_RESNET,
    ),
    'pspnet': Family(
        'PSPNet, ResNet-50',
        'pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py',
        """The head pools over the whole image, so that its theoretical field
        is global. With random weights one hardly sees it: half of the head's
        contribution comes from {half_head} px, after {half[3]} px in the last
        stage.""",
        PLAIN_RESNET,
    ),
    'deeplabv3': Family(
        'DeepLabV3, ResNet-50',
        'deeplabv3/deeplabv3_r50-d8_4xb4-80k_ade20k-512x512.py',
        """The head convolves with dilations of up to 36 units, 288 px. Its
        map is flatter than the last stage's: the 50 % square grows from
        {half[3]} to {half_head} px.""",
        PLAIN_RESNET,
    ),
    'unet': Family(
        'U-Net',
        'unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py',
        """The first panel is the deepest stage, and each one after it a step
        of the decoder at twice the resolution. The skips let the contribution
        gather about the unit (50 % square from {half[0]} to {half_head} px),
        while the 99 % square grows from {most[0]} to {most_head} px: the
        output sees detail and surroundings at once.""",
    ),
    'hrnet': Family(
        'HRNet-W18 small',
        'hrnet/fcn_hr18s_4xb4-80k_ade20k-512x512.py',
        """The outputs are four resolutions of one stage, from fine to coarse,
        and not four depths. Since branches exchange features all along, the
        finest sees as much as the coarsest: {half[0]} and {half[3]} px for
        half of the contribution.""",
    ),
    'mobilenet_v2': Family(
        'MobileNetV2',
        'mobilenet_v2/mobilenet-v2-d8_fcn_4xb4-160k_ade20k-512x512.py',
        """The first two outputs see little, {most[0]} and {most[1]} px for
        99 %. The dilated blocks that stand in for strides leave a chequered
        pattern in the fourth panel, which the head's convolutions blur.""",
    ),
    'bisenetv2': Family(
        'BiSeNetV2',
        'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
        """The first panel joins both branches; the next four are the semantic
        branch, from stride 4 to 32. What the join takes from the coarse grid
        does not lie about the unit: the centre of mass is {up} px above and
        {left} px left of it, and a faint ground shows the global context.""",
    ),
    'stdc': Family(
        'STDC1',
        'stdc/stdc1_4xb12-80k_cityscapes-512x1024.py',
        """The first panel is the stage at stride 8, {most[0]} px for 99 %. The
        next two carry a mean over the whole image and look at everything;
        fusing them with the first brings the unit back into view, with
        {half[3]} px for half of the contribution and {half_head} px in the
        head.""",
    ),
    'swin': Family(
        'Swin-T, UPerNet',
        'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k'
        '_ade20k-512x512.py',
        """Attention windows have edges: the maps are made of squares, laid
        over each other by the shifts, and are not centred on the unit. Half of
        the contribution stays within {half[0]} to {half[3]} px through all
        four stages, since most of it takes the shortcuts; the head, which
        pools, spreads it over {half_head} px.""",
    ),
    'twins': Family(
        'Twins-SVT-S, UPerNet',
        'twins/twins_svt-s_uperhead_8xb2-160k_ade20k-512x512.py',
        """Every second block attends to a summary of the whole image, which
        gives a faint ground from the first stage on: 99 % take {most[0]} px
        where half takes {half[0]}. The bright core grows with depth, to
        {half[3]} px.""",
    ),
    'segformer': Family(
        'SegFormer, MiT-B0',
        'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        """Attention reaches the whole image in the first block already, but
        faintly. The core grows by the overlapping patches and the convolutions
        between them, {half[0]}, {half[1]}, {half[2]} and {half[3]} px for half
        of the contribution; the head adds all stages up and has a bright point
        at the unit.""",
    ),
    'segmenter': Family(
        'Segmenter, ViT-T/16',
        'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512.py',
        """The unit's own patch of 16 x 16 px stands out, and all other patches
        contribute alike: a plain vision transformer knows no distance before
        training. The even ground weighs a lot, so that half of the
        contribution takes {half[0]} px, and {half_head} px in the head.""",
    ),
    'segnext': Family(
        'SegNeXt, MSCAN-T',
        'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py',
        """A small core lies in a wide, faint square: strips of up to 21 taps
        reach far, but their branches start scaled by 0.01. From the second
        stage on 99 % take nearly the whole image and half of it {half[1]} to
        {half[2]} px; the bright line at the right edge is one photograph's.
        """,
    ),
}

TRAINED = {
    'fcn_texture': Trained(
        'FCN of the demo',
        'fcn_texture',
        """Before training the four stages look the same, {before[most][3]} px
        for 99 %: this config leaves the residual branches at zero. After 160
        iterations on textures each stage looks further than the one before,
        the last one {after[most][3]} px, while half of the contribution stays
        within {after[half][3]} px.""",
    ),
    'segformer_texture': Trained(
        'SegFormer of the demo',
        'segformer_texture',
        """The head learns to look more closely: half of its contribution takes
        {before[half_head]} px before training and {after[half_head]} px after.
        The last stage keeps looking at everything, {before[half][3]} and
        {after[half][3]} px.""",
    ),
}
