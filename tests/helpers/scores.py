"""A score as a user's own module has it."""


def score_at_three(output, context):
    return output[:, :, 3, 3].sum(1)
