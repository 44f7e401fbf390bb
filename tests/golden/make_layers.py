#!/usr/bin/python3
"""Make tests/golden/layers.npz: PyTorch's layers trained for three steps, and evaluated.

    /usr/bin/python3 tests/golden/make_layers.py        (Debian: python3-torch)

A case CASE has inputs CASE.x and, for every element of the output, its weight in the loss, CASE.g. Three
steps of SGD, each on a third of the rows, start from CASE.before.NAME and end at CASE.after.NAME,
weights and running statistics by PyTorch's names; "shift" is added to the input, so that its change
shows the gradient that the layer hands back. CASE.out and CASE.out_after are what evaluation says of
all rows before and after. tests/lua/test_nn_norm.lua reads the file. All is computed in float64 and
kept in float32, where x, g and the weights before are exact.
"""
import os

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 0.01
made = {}


def numbers(random, *shape):
    return torch.from_numpy(random.uniform(-1, 1, shape).astype(np.float32).astype(np.float64))


class Case(nn.Module):
    def __init__(self, layer, shape):
        super().__init__()
        self.layer = layer
        self.shift = nn.Parameter(torch.zeros(shape[1:]))

    def forward(self, x):
        return self.layer(x + self.shift)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def state(model):
    return {name.replace("layer.", ""): value.detach().clone().double().reshape(value.shape or (1,))
            for name, value in model.state_dict().items()}


def case(label, layer, shape, offset=0):
    layer = Function(layer) if not isinstance(layer, nn.Module) else layer
    random = np.random.RandomState(len(made) + 1)
    model = Case(layer, shape).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(numbers(random, *weight.shape) + 0.5)
    x = numbers(random, *shape) * 2 + offset
    x = x.float().double()
    model.eval()
    out = model(x).detach()
    g = numbers(random, *out.shape)
    arrays = {"x": x, "g": g, "out": out}
    before, optimizer = state(model), torch.optim.SGD(model.parameters(), RATE)
    model.train()
    for rows in range(0, len(x), len(x) // 3):
        optimizer.zero_grad()
        third = slice(rows, rows + len(x) // 3)
        (model(x[third]) * g[third]).sum().backward()
        optimizer.step()
    model.eval()
    arrays["out_after"] = model(x).detach()
    has_buffers = bool(list(layer.named_buffers()))
    for name, value in state(model).items():
        if name == "num_batches_tracked" and layer.momentum is not None:
            continue
        if name != "shift" or not has_buffers or value.abs().max() > 0:
            arrays["before." + name], arrays["after." + name] = before[name], value
    for name, value in arrays.items():
        made[f"{label}.{name}"] = value.numpy().astype(np.float32)


case("batch_rows", nn.BatchNorm1d(5), (12, 5))
case("batch_lines", nn.BatchNorm1d(4), (9, 4, 7))
case("batch", nn.BatchNorm2d(3), (6, 3, 4, 5))
case("batch_options", nn.BatchNorm2d(3, eps=1e-2, momentum=0.3), (9, 3, 3, 2))
case("batch_plain", nn.BatchNorm2d(3, affine=False), (6, 3, 4, 5))
case("batch_untracked", nn.BatchNorm2d(2, track_running_stats=False), (6, 2, 4, 3))
case("batch_cumulative", nn.BatchNorm2d(2, momentum=None), (6, 2, 4, 3))
case("batch_offset", nn.BatchNorm1d(3), (21, 3), 10000)
case("batch_one_row", nn.BatchNorm2d(3), (3, 3, 4, 5))
case("layer", nn.LayerNorm(7), (6, 3, 7))
case("layer_two", nn.LayerNorm((3, 7), eps=1e-3), (6, 3, 7))
case("layer_plain", nn.LayerNorm(7, elementwise_affine=False), (6, 7))
case("group", nn.GroupNorm(2, 6), (6, 6, 3, 5))
case("group_plain", nn.GroupNorm(3, 6, affine=False), (6, 6, 5))
case("instance_lines", nn.InstanceNorm1d(3, affine=True), (6, 3, 5))
case("instance", nn.InstanceNorm2d(3), (6, 3, 4, 5))
case("local", nn.LocalResponseNorm(3, alpha=0.5, beta=0.6, k=2), (6, 5, 3, 4))
case("prelu", nn.PReLU(), (6, 3, 4))
case("prelu_channels", nn.PReLU(3), (6, 3, 4, 2))
case("glu", nn.GLU(1), (6, 4, 3))
case("max", nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (6, 3, 6, 7))
case("max_overlap", nn.Sequential(nn.Tanh(), nn.MaxPool2d(3, 2, 1)), (6, 3, 6, 7))
case("max_lines", nn.MaxPool1d(3, 2, 1, ceil_mode=True), (6, 3, 8))
case("avg", nn.AvgPool2d(3, 2, 1, count_include_pad=False), (6, 3, 6, 7))
case("avg_lines", nn.AvgPool1d(2), (6, 3, 7))
case("adaptive_avg", nn.AdaptiveAvgPool2d((2, 3)), (6, 2, 6, 6))
case("adaptive_avg_uneven", nn.AdaptiveAvgPool2d((4, 3)), (6, 2, 6, 7))
case("adaptive_avg_one", nn.AdaptiveAvgPool2d(1), (6, 2, 6, 7))
case("adaptive_avg_lines", nn.AdaptiveAvgPool1d(3), (6, 2, 7))
case("adaptive_max", nn.AdaptiveMaxPool2d((2, 3)), (6, 2, 6, 6))
case("adaptive_max_uneven", nn.AdaptiveMaxPool2d((4, 3)), (6, 2, 6, 7))
case("adaptive_max_lines", nn.AdaptiveMaxPool1d(1), (6, 2, 7))
case("upsample", nn.Upsample(scale_factor=2), (6, 2, 3, 4))
case("upsample_bilinear", nn.Upsample(size=(5, 7), mode="bilinear"), (6, 2, 3, 4))
case("upsample_corners", nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (6, 2, 3, 4))
case("upsample_lines", nn.Upsample(size=7, mode="linear"), (6, 2, 4))
case("zero_pad", nn.ZeroPad2d((1, 2, 0, 3)), (6, 2, 3, 4))
case("zero_pad_lines", lambda x: F.pad(x, (2, 1)), (6, 2, 4))
case("conv", nn.Conv2d(2, 5, 3), (6, 2, 5, 7))
case("conv_padded", nn.Conv2d(3, 4, (3, 5), padding=(1, 2), bias=False), (6, 3, 5, 7))
case("conv_same", nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)), (6, 2, 5, 7))
case("conv_stride", nn.Conv2d(2, 5, 3, stride=(2, 3), padding=1), (6, 2, 8, 7))
case("conv_groups", nn.Conv2d(4, 6, 3, groups=2, padding=1), (6, 4, 5, 3))
case("conv_depthwise", nn.Conv2d(5, 5, 3, groups=5, padding=1), (6, 5, 5, 6))
case("conv_winograd", nn.Conv2d(13, 14, 3, padding=1), (6, 13, 7, 9))
case("conv_lines", nn.Conv1d(3, 4, 3, stride=2, padding=2, dilation=2), (6, 3, 11))
case("conv_lines_same", nn.Conv1d(3, 4, 4, padding="same"), (6, 3, 7))
case("deconv", nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), (6, 3, 4, 5))
case("deconv_groups", nn.ConvTranspose2d(4, 6, 2, stride=3, groups=2, dilation=2, bias=False), (6, 4, 3, 2))
case("deconv_lines", nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1), (6, 3, 5))
case("instance_tracked", nn.InstanceNorm2d(3, eps=1e-3, momentum=0.3, affine=True, track_running_stats=True),
     (6, 3, 4, 5))
case("instance_tracked_lines", nn.InstanceNorm1d(2, track_running_stats=True), (6, 2, 5))

np.savez_compressed(os.path.join(HERE, "layers.npz"), **made)
print(f"{len({name.split('.')[0] for name in made})} cases")
