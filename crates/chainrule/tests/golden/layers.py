"""Writes layers.safetensors: layers of PyTorch with their weights, an input, the output, and all gradients of
sum(output * weights). Needs torch and safetensors; run in this folder."""
import json

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)


class Named(nn.Module):
    """A list of modules used one after the other, backwards."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(3, 4), nn.Linear(5, 3)])

    def forward(self, x):
        return self.parts[0](torch.tanh(self.parts[1](x)))


signal, image, volume = (2, 4, 9), (1, 4, 7, 6), (1, 2, 4, 3, 5)
layers = {
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), signal),
    "conv1d_same": (nn.Conv1d(4, 3, 4, padding="same", dilation=2), signal),
    "conv1d_circular": (nn.Conv1d(4, 3, 3, padding=2, padding_mode="circular"), signal),
    "conv2d": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=False), image),
    "conv2d_depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4), image),
    "conv2d_same_reflect": (nn.Conv2d(4, 5, (4, 3), padding="same", padding_mode="reflect"), image),
    "conv2d_reflect": (nn.Conv2d(4, 5, 3, padding=2, padding_mode="reflect"), image),
    "conv2d_replicate": (nn.Conv2d(4, 5, 3, stride=2, padding=(1, 2), padding_mode="replicate"), image),
    "conv3d": (nn.Conv3d(2, 3, 2, stride=(1, 2, 2), padding=1), volume),
    "transposed1d": (nn.ConvTranspose1d(4, 6, 3, stride=3, padding=1, output_padding=1, groups=2), signal),
    "transposed2d": (nn.ConvTranspose2d(4, 3, (3, 2), stride=2, padding=(1, 0), output_padding=1, dilation=2), image),
    "transposed3d": (nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False), volume),
    "max_pool1d": (nn.MaxPool1d(3, stride=2, padding=1), signal),
    "max_pool2d_ceil": (nn.MaxPool2d((3, 2), stride=(2, 3), ceil_mode=True), image),
    "max_pool2d_dilated": (nn.MaxPool2d(2, stride=1, dilation=2), image),
    "max_pool3d": (nn.MaxPool3d(2, stride=(1, 2, 2)), volume),
    "avg_pool1d": (nn.AvgPool1d(3, stride=2), signal),
    "avg_pool2d_ceil": (nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), image),
    "avg_pool2d_uncounted": (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), image),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d((4, 3)), image),
    "adaptive_max_pool1d": (nn.AdaptiveMaxPool1d((4,)), signal),
    "batch_norm1d": (nn.BatchNorm1d(4), (5, 4)),
    "batch_norm2d": (nn.BatchNorm2d(4, momentum=0.3), image),
    "batch_norm2d_evaluated": (nn.BatchNorm2d(4).eval(), image),
    "layer_norm": (nn.LayerNorm((7, 6)), image),
    "rms_norm": (nn.RMSNorm(6), image),
    "rms_norm_eps": (nn.RMSNorm((7, 6), eps=0.01), image),
    "group_norm": (nn.GroupNorm(2, 4), image),
    "instance_norm2d": (nn.InstanceNorm2d(4), image),
    "local_response_norm": (nn.LocalResponseNorm(3, alpha=0.1), image),
    "linear": (nn.Linear(6, 3), image),
    "module_list": (Named(), (7, 5)),
}
tensors, texts = {}, {}
for name, (layer, shape) in layers.items():
    state = layer.state_dict()
    for key, value in state.items():
        # Weights of ones and zeros would hide mistakes.
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if "var" in key else torch.randn_like(value) * 0.5)
    before = {key: value.clone() for key, value in state.items()}
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    tensors |= {f"{name}/{key}": value for key, value in [("x", x), ("y", y), ("weights", weights), ("grad", x.grad)]}
    tensors |= {f"{name}/state.{key}": value for key, value in before.items()}
    tensors |= {f"{name}/after.{key}": value for key, value in layer.state_dict().items() if "running" in key}
    tensors |= {f"{name}/grad.{key}": value.grad for key, value in layer.named_parameters()}
    texts[name] = repr(layer)
tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
save_file(tensors, "layers.safetensors", metadata={"layers": json.dumps(texts), "torch": torch.__version__})
