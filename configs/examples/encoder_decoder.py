# DeepLabV3+: an encoder with atrous pooling and a decoder that brings back
# detail; compare the field before and after the skip connection.
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=['backbone', 'decode_head.bottleneck', 'decode_head'],
        num_images=50,
    )
]
