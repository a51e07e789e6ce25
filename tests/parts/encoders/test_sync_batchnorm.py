"""BatchNorms are exchanged for synchronised ones, and nothing else."""

import pytest
import timm
import torch
from torch import nn

from segkit.parts.encoders._sync_batchnorm import sync_batchnorm


class Own(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x) + 1


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])  # the second has timm's BatchNormAct2d
def test_models_compute_as_before_and_keep_their_names(name):
    torch.manual_seed(0)
    model, image = timm.create_model(name, num_classes=0), torch.randn(4, 3, 64, 64)
    model(image)
    names, expected = list(model.state_dict()), model.eval()(image)
    parameters = list(model.parameters())
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    sync_batchnorm(model)
    assert torch.equal(model(image), expected)
    assert list(model.state_dict()) == names
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in model.modules()) == norms > 0
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_layers_within_others_are_found_and_subclasses_left_alone():
    model = nn.Sequential(nn.Sequential(nn.BatchNorm2d(2, eps=0.1, momentum=None)), Own(2), nn.BatchNorm1d(2))
    model[0][0].requires_grad_(False)
    sync_batchnorm(model)
    norm = model[0][0]
    assert [type(norm), type(model[1]), type(model[2])] == [nn.SyncBatchNorm, Own, nn.SyncBatchNorm]
    assert (norm.eps, norm.momentum, norm.weight.requires_grad) == (0.1, None, False)
