# BiSeNetV2: a real-time network with a detail and a semantic branch, measured
# each by itself and after they are joined.
_base_ = [
    __import__('mmseg').__path__[0]
    + '/.mim/configs/bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py'
]
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        layers=[
            'backbone.detail',
            'backbone.semantic[-1]',
            'backbone[0]',
            'decode_head',
        ],
        num_images=50,
    )
]
