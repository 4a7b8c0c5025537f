# PSPNet on a dilated ResNet: pyramid pooling. The pooling makes the head global,
# while the backbone stays local.
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/pspnet/pspnet_r50-d8_4xb2-80k_cityscapes-512x1024.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=['backbone', 'decode_head.psp_modules.*', 'decode_head'],
        num_images=50,
    )
]
