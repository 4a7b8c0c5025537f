# A plain ViT under UPerNet: one grid for all blocks, global from the first
# attention on; every third block.
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/vit/vit_deit-s16_upernet_8xb2-80k_ade20k-512x512.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=[f'backbone.layers.{i}' for i in (0, 3, 6, 9, 11)],
        num_images=50,
    )
]
