# SegNeXt: large strip convolutions instead of attention.
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=['backbone', 'decode_head'],
        num_images=50,
    )
]
