#!/usr/bin/python3
"""Make tests/golden/attention.npz: outputs and gradients of PyTorch's attention layers.

    /usr/bin/python3 tests/golden/make_attention.py        (Debian: python3-torch)

A case CASE has its inputs CASE.in.NAME, weights CASE.weight.NAME by PyTorch's names, the output
CASE.out, the gradient CASE.g that arrives and CASE.grad.NAME of every input and weight. All is computed in float64 and kept in float32,
where inputs and weights are exact. tests/lua/test_nn_attention.lua reads it.
"""
import os

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
made = {}


def numbers(random, *shape):
    return torch.from_numpy(random.uniform(-1, 1, shape).astype(np.float32).astype(np.float64))


def case(label, module, inputs, run):
    """Record run(module, **inputs); inputs that are lists of sizes are drawn, others constants."""
    random = np.random.RandomState(len(made) + 1)
    module = module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(numbers(random, *weight.shape) * 0.5 + (weight.dim() == 1))
    drawn = {name: numbers(random, *sizes).requires_grad_() for name, sizes in inputs.items()}
    out = run(module, **drawn)
    g = numbers(random, *out.shape)
    (out * g).sum().backward()
    made[label + ".out"], made[label + ".g"] = out.detach(), g
    for name, value in drawn.items():
        made[f"{label}.in.{name}"], made[f"{label}.grad.{name}"] = value.detach(), value.grad
    for name, weight in module.named_parameters():
        grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        made[f"{label}.weight.{name}"], made[f"{label}.grad.{name}"] = weight.detach(), grad


def attention(**given):
    return nn.MultiheadAttention(12, 3, batch_first=True, **given)


def hidden(length):
    return torch.triu(torch.ones(length, length), 1).bool()


PADDING = torch.tensor([[0, 0, 0, 0, 0], [0, 1, 0, 0, 1]]).bool()
SELF = {"x": (2, 5, 12)}
CROSS = {"x": (2, 5, 12), "memory": (2, 7, 12)}

case("plain", attention(), SELF, lambda m, x: m(x, x, x)[0])
case("no_bias", attention(bias=False), SELF, lambda m, x: m(x, x, x)[0])
case("causal", attention(), SELF, lambda m, x: m(x, x, x, attn_mask=hidden(5))[0])
mask = torch.linspace(-1, 1, 25, dtype=torch.float64).reshape(5, 5)
made["masks.mask"], made["masks.padding"] = mask, PADDING.long()
case("masks", attention(), SELF,
     lambda m, x: m(x, x, x, attn_mask=mask, key_padding_mask=PADDING)[0])
case("cross", attention(), CROSS, lambda m, x, memory: m(x, memory, memory)[0])
case("three", attention(), {"x": (2, 5, 12), "key": (2, 7, 12), "value": (2, 7, 12)},
     lambda m, x, key, value: m(x, key, value)[0])
case("widths", attention(kdim=4, vdim=7), {"x": (2, 5, 12), "key": (2, 6, 4), "value": (2, 6, 7)},
     lambda m, x, key, value: m(x, key, value)[0])
case("weights", attention(), CROSS,
     lambda m, x, memory: m(x, memory, memory, attn_mask=torch.triu(torch.full((5, 7), -torch.inf), 1))[1])
case("one", attention(), {"x": (1, 1, 12)}, lambda m, x: m(x, x, x)[0])


def turn(x):
    """Rotary positions (Su et al. 2021) of (n, heads, length, size), halves as pairs."""
    length, size = x.shape[2:]
    angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


def rotary(m, x, memory):
    weights, biases = m.in_proj_weight.chunk(3), m.in_proj_bias.chunk(3)
    q, k, v = ((s @ w.T + b).reshape(*s.shape[:2], 3, 4).transpose(1, 2)
               for s, w, b in zip((x, memory, memory), weights, biases))
    scores = turn(q) @ turn(k).transpose(-1, -2) / 2
    return m.out_proj((torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(x.shape))


case("rotary", attention(), CROSS, rotary)
case("rotary_self", attention(), SELF, lambda m, x: rotary(m, x, x))


def coder(kind, **given):
    return kind(12, 3, 17, 0.0, batch_first=True, **given)


case("encoder", coder(nn.TransformerEncoderLayer), SELF, lambda m, x: m(x))
case("encoder_first", coder(nn.TransformerEncoderLayer, norm_first=True, activation="gelu"), SELF,
     lambda m, x: m(x, src_key_padding_mask=PADDING))
case("encoder_causal", coder(nn.TransformerEncoderLayer, layer_norm_eps=1e-3), SELF,
     lambda m, x: m(x, src_mask=hidden(5)))
case("encoders", nn.TransformerEncoder(coder(nn.TransformerEncoderLayer, norm_first=True), 2, nn.LayerNorm(12)),
     SELF, lambda m, x: m(x))
case("decoder", coder(nn.TransformerDecoderLayer), CROSS, lambda m, x, memory: m(x, memory, tgt_mask=hidden(5)))
case("decoder_first", coder(nn.TransformerDecoderLayer, norm_first=True), CROSS,
     lambda m, x, memory: m(x, memory, tgt_mask=hidden(5)))

index = torch.tensor([[0, 3, 6, 3], [2, 2, 0, 5]])
made["embedding.index"] = index
case("embedding", nn.Embedding(7, 3), {}, lambda m: m(index))
case("embedding_padding", nn.Embedding(7, 3, padding_idx=2), {}, lambda m: m(index))

# Four steps of SparseAdam, one row of indices each.
table, steps = nn.Embedding(6, 3, sparse=True).double(), torch.tensor([[0, 3], [3, 5], [1, 1], [0, 5]])
random = np.random.RandomState(9)
with torch.no_grad():
    table.weight.copy_(numbers(random, 6, 3))
made["sparse.index"], made["sparse.g"] = steps, numbers(random, 4, 2, 3)
made["sparse.before"] = table.weight.detach().clone()
optimizer = torch.optim.SparseAdam([table.weight], lr=0.1)
for row, g in zip(steps, made["sparse.g"]):
    optimizer.zero_grad()
    (table(row) * g).sum().backward()
    optimizer.step()
made["sparse.after"] = table.weight.detach()

arrays = {name: value.numpy() for name, value in made.items()}
np.savez_compressed(os.path.join(HERE, "attention.npz"),
                    **{name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()})
print(f"{len(made)} arrays")
