# Effective receptive fields for any mmseg config: inherit from this file, or
# copy its lines.
custom_imports = dict(imports=['mmerf'])
custom_hooks = [
    dict(
        type='ERFHook',
        # None: every output of the backbone, and the decode head. Else names
        # as model.named_modules() prints them, globs, outputs:
        # ['backbone[3]', 'backbone.layer4.*', 'decode_head']
        layers=None,
        num_images=50,  # of each validation, over all ranks together
        interval=1,  # every n-th validation
        initial=True,  # also once before training, at step 0
    )
]
vis_backends = [
    dict(type='LocalVisBackend'),
    dict(type='TensorboardVisBackend'),
    dict(type='ERFVisBackend'),
]
visualizer = dict(
    type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer'
)
