# SegFormer: a hierarchical transformer, stage by stage, as in figure 3 of its
# paper (arXiv:2105.15203).
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=['backbone', 'decode_head'],
        num_images=50,
    )
]
