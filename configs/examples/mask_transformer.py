# Segmenter: a ViT whose decoder attends between class masks and patches. (The
# Mask2Former family needs mmdet besides.)
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/segmenter/segmenter_vit-s_mask_8xb1-160k_ade20k-512x512.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=['backbone', 'decode_head.dec_proj', 'decode_head'],
        num_images=50,
    )
]
