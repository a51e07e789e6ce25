"""A model as a run checks it before training."""

from segkit.models.dry_run import dry_run
from segkit.models.training_check import check_training


def checked(model, data, images=101, device=""):
    spec = dry_run(model, data)
    check_training(spec, model, data, images, device)
    return spec
