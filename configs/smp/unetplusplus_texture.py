# UNet++ of segmentation_models_pytorch on the demo's data, through
# ModuleSegmentor: a ResNet-18 encoder and the package's decoder, trained here
# from random weights. `make smp` trains it in each of the decoder's four
# ways to upsample and measures them.
_base_ = ['../_base_/texture.py', '../_base_/erf.py']
model = dict(
    type='ModuleSegmentor',
    data_preprocessor=_base_.data_preprocessor,
    module=dict(
        type='segmentation_models_pytorch.UnetPlusPlus',
        encoder_name='resnet18',
        encoder_depth=4,
        encoder_weights=None,
        decoder_channels=(64, 32, 32, 16),
        decoder_interpolation='nearest',  # bilinear, bicubic, area
        classes=4,
    ),
    decode_head=dict(
        num_classes=4,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False),
    ),
)
train_dataloader = dict(batch_size=4)
# Measured afterwards, all of them on the same images.
custom_hooks = []
