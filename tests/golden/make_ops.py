#!/usr/bin/python3
"""Make tests/golden/ops/OP.npz, the inputs and answers of tests/c/op_cases.def, with PyTorch.

    /usr/bin/python3 tests/golden/make_ops.py [OP ...]        (Debian: python3-torch)

A case LABEL has arrays LABEL.in0, .in1 ... (float inputs are exact in float32), LABEL.out in
float64, and where the row asks for gradients, the gradient LABEL.g that arrives and LABEL.grad0 ...
The ops are written here from their definitions, not from the engine's source.
"""
import math
import os
import re
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "c", "op_cases.def")
SEED, STEP = 7, 3
MASK64 = (1 << 64) - 1


def axes(a, x):
    return tuple(a["axes"]) if a.get("axes") is not None else tuple(range(x.dim()))


def reduced(function):
    return lambda a, x: function(x, axes(a, x), bool(a.get("keepdims", 0)))


def extreme(function):
    """amax or amin, which want at least one axis."""
    return reduced(lambda x, dims, keep: function(x, dims, keep) if dims else x)


def truth(condition):
    return condition.to(torch.float64)


def slice_of(a, x):
    axis = int(a.get("axis", 0))
    first, last = int(a.get("first", 0)) % x.shape[axis], int(a.get("last", -1)) % x.shape[axis]
    return x.narrow(axis, first, last - first + 1)


def pad(a, x):
    axis = int(a.get("axis", 0))
    before, after = list(x.shape), list(x.shape)
    before[axis], after[axis] = int(a.get("before", 0)), int(a.get("after", 0))
    return torch.cat([x.new_zeros(before), x, x.new_zeros(after)], axis)


def take(a, table, index):
    outside = (index < 0) | (index >= len(table))
    padding = int(a.get("padding_idx", -1))
    inside = index.clamp(0, len(table) - 1)
    out = F.embedding(inside, table, padding).clone() if padding >= 0 else table[inside].clone()
    out[outside] = math.nan
    return out


def take_grad(a, g, index):
    inside = (index >= 0) & (index < a["shape"][0]) & (index != a.get("padding_idx", -1))
    return g.new_zeros(a["shape"]).index_add(0, index[inside], g[inside])


def cross_entropy(a, logits, labels, weights=None):
    classes, smoothing = logits.shape[-1], a.get("label_smoothing", 0.0)
    flat = logits.reshape(-1, classes)
    known = ((labels >= 0) & (labels < classes)).reshape(-1)
    out = F.cross_entropy(flat, labels.reshape(-1).clamp(0, classes - 1), weights,
                          reduction="none", label_smoothing=smoothing)
    return torch.where(known, out, torch.full_like(out, math.nan)).reshape(labels.shape)


def cross_entropy_grad(a, g, logits, labels, weights=None):
    logits = logits.clone().requires_grad_()
    with torch.enable_grad():
        out = cross_entropy(a, logits, labels, weights)
        grad = torch.autograd.grad(out, logits, g)[0].clone()
    grad[(labels < 0) | (labels >= logits.shape[-1])] = math.nan
    return grad


def correct(a, logits, labels):
    labels = labels.reshape(logits.shape[:-1])
    if logits.shape[-1] == 1:
        return truth((logits[..., 0] > 0) == (labels == 1))
    return truth(torch.from_numpy(np.argmax(logits.detach().numpy(), -1)) == labels)


def hash_mix(x):
    """MurmurHash3's finaliser."""
    x &= MASK64
    x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) & MASK64
    x = ((x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53) & MASK64
    return x ^ (x >> 33)


def philox(counter, key):
    x, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(p1 >> 32) ^ x[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ x[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


def random_blocks(a, purpose, blocks):
    """The four numbers of each of so many blocks, at the address of a random op."""
    key = hash_mix(SEED + 0x9E3779B97F4A7C15 * (purpose + 1))
    stream = hash_mix(hash_mix(int(a.get("stream", 0)) + 1) + STEP)
    return [philox((i, 0, stream & 0xFFFFFFFF, stream >> 32), (key & 0xFFFFFFFF, key >> 32))
            for i in range(blocks)]


def dropout(a, x):
    p, dropout_purpose = a.get("p", 0.5), 2
    numbers = sum(random_blocks(a, dropout_purpose, (x.numel() + 3) // 4), [])[:x.numel()]
    mask = torch.tensor([n >= int(p * 2**32) for n in numbers], dtype=torch.float64).reshape(x.shape)
    return x * mask / (1 - p) if p < 1 else x * 0


def gaussian_noise(a, x):
    noise, noise_purpose = [], 8
    for n in random_blocks(a, noise_purpose, (x.numel() + 1) // 2):
        u, v = (((n[i + 1] << 32 | n[i]) >> 11) / 2**53 for i in (0, 2))
        radius = math.sqrt(-2 * math.log(1 - u))  # Box and Muller 1958
        noise += [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
    noise = torch.tensor(noise[:x.numel()], dtype=torch.float64).reshape(x.shape)
    return x + a.get("std", 0.1) * noise


def dropout_mask(a, shape):
    return dropout(a, torch.ones(shape, dtype=torch.float64))


def attention_operands(a, q, k, v):
    """(n, heads, length, size) of each, from rows that may hold several side by side."""
    if k is None:
        q, k, v = q.chunk(3, -1)
    elif v is None:
        k, v = k.chunk(2, -1)
    heads = int(a.get("heads", 1))
    return [x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2) for x in (q, k, v)]


def attention_scores(a, q, k, mask, padding):
    scores = q @ k.transpose(-1, -2) * (a.get("scale") or q.shape[-1] ** -0.5)
    seen = torch.ones(scores.shape, dtype=torch.bool)
    if mask is not None:
        scores = scores + mask
    if padding is not None:
        seen &= (padding == 0)[:, None, None, :]
    if a.get("causal"):
        seen &= torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return torch.where(seen, scores, torch.full_like(scores, -math.inf))


def joined(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3])


def attention(a, q, k=None, v=None, mask=None, padding=None):
    q, k, v = attention_operands(a, q, k, v)
    scores = attention_scores(a, q, k, mask, padding)
    hidden = (scores == -math.inf).all(-1, True)  # rows whose keys are all masked
    weights = torch.softmax(scores.masked_fill(hidden, 0), -1).masked_fill(hidden, 0)
    if a.get("dropout"):
        weights = weights * dropout_mask({"p": a["dropout"], "stream": a.get("stream", 0)}, weights.shape)
    return joined(weights @ v)


def attention_grad(a, g, out, stats, q, k=None, v=None, mask=None, padding=None):
    """The gradient in q, from the statistics that were given."""
    q, k, v = attention_operands(a, q, k, v)
    g, out = (x.reshape(*x.shape[:2], q.shape[1], -1).transpose(1, 2) for x in (g, out))
    scores = attention_scores(a, q, k, mask, padding)
    weights = torch.exp(scores - stats[..., :1]) / stats[..., 1:]
    slopes = weights * (g @ v.transpose(-1, -2) - (g * out).sum(-1, True))
    return joined(slopes @ k * (a.get("scale") or q.shape[-1] ** -0.5))
def remainder(a, x, y):
    return x - y * torch.floor(x / y).detach()


def norm(x, dims, keep, p):
    return torch.linalg.vector_norm(x, p, dims, keep)


def matmul(a, x, y):
    x = x.transpose(-1, -2) if a.get("trans_a") else x
    return torch.matmul(x, y.transpose(-1, -2) if a.get("trans_b") else y)


def spatial(a, name, x, default):
    """A list with an entry for every pooled axis of x."""
    values = a.get(name) or default
    return list(values) * (x.dim() - 2) if len(values) == 1 else list(values)


def max_pool(a, x, indices=False):
    pool = F.max_pool1d if x.dim() == 3 else F.max_pool2d
    kernel = spatial(a, "kernel_size", x, None)
    return pool(x, kernel, spatial(a, "stride", x, kernel), spatial(a, "padding", x, [0]),
                spatial(a, "dilation", x, [1]), bool(a.get("ceil_mode", 0)), indices)


def avg_pool(a, x):
    pool = F.avg_pool1d if x.dim() == 3 else F.avg_pool2d
    kernel = spatial(a, "kernel_size", x, None)
    return pool(x, kernel, spatial(a, "stride", x, kernel), spatial(a, "padding", x, [0]),
                bool(a.get("ceil_mode", 0)), bool(a.get("count_include_pad", 1)))


def adaptive(max1d, max2d):
    return lambda a, x: (max1d if x.dim() == 3 else max2d)(x, spatial(a, "output_size", x, None))


def max_pool_grad(a, g, places):
    out = g.new_zeros(list(g.shape[:2]) + [int(np.prod(a["size"]))])
    out.scatter_add_(2, places.reshape(*g.shape[:2], -1), g.reshape(*g.shape[:2], -1))
    return out.reshape(list(g.shape[:2]) + a["size"])


def linear_grad(function):
    """The gradient, from g, of a linear function of an x (n, c, *size)."""
    def grad(a, g):
        x = g.new_zeros(list(g.shape[:2]) + a["size"]).requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(function(a, x, g), x, g)[0]
    return grad

def sort(a, x):
    return torch.sort(x, stable=True, dim=int(a.get("axis", -1)),
                      descending=bool(a.get("descending", 0)))[0]


def prod(a, x):
    for axis in sorted((d % x.dim() for d in axes(a, x)), reverse=True):
        x = torch.prod(x, axis, bool(a.get("keepdims", 0)))
    return x


def cumsum(a, x):
    axis = int(a.get("axis", -1))
    if a.get("reverse"):
        return torch.flip(torch.cumsum(torch.flip(x, [axis]), axis), [axis])
    return torch.cumsum(x, axis)


def gather(a, x, places):
    axis = int(a.get("axis", -1))
    outside = (places < 0) | (places >= x.shape[axis])
    out = torch.gather(x, axis, places.clamp(0, x.shape[axis] - 1))
    return torch.where(outside, torch.full_like(out, math.nan), out) if outside.any() else out


def scatter_add(a, x, places, c):
    axis = int(a.get("axis", -1))
    inside = (places >= 0) & (places < x.shape[axis])
    return x.scatter_add(axis, places.clamp(0, x.shape[axis] - 1), c * inside)


def conv_attrs(a, dims):
    """Stride, padding at the beginnings and at the ends, dilation, groups; one number or one an axis."""
    def each(name, default):
        given = a.get(name, [default])
        return given * dims if len(given) == 1 else given
    padding = a.get("padding", [0])
    if len(padding) != 2 * dims:
        padding = each("padding", 0) * 2
    return each("stride", 1), padding[:dims], padding[dims:], each("dilation", 1), int(a.get("groups", 1))


def conv(a, x, weight, bias=None):
    dims = x.dim() - 2
    if a.get("padding") == [-1]:
        dilation = conv_attrs(dict(a, padding=[0]), dims)[3]
        spread = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
        a = dict(a, padding=[s // 2 for s in spread] + [s - s // 2 for s in spread])
    stride, before, after, dilation, groups = conv_attrs(a, dims)
    sides = [n for pair in zip(reversed(before), reversed(after)) for n in pair]
    function = F.conv1d if dims == 1 else F.conv2d
    return function(F.pad(x, sides), weight, bias, stride, 0, dilation, groups)


def conv_transpose(a, x, weight, bias=None):
    """The gradient of a convolution in its input, at `x`."""
    dims = x.dim() - 2
    stride, before, after, dilation, groups = conv_attrs(a, dims)
    more = a.get("output_padding", [0])
    more = more * dims if len(more) == 1 else more
    function = F.conv_transpose1d if dims == 1 else F.conv_transpose2d
    out = function(x, weight, None, stride, 0, more, groups, dilation)
    for i in range(dims):
        out = out.narrow(2 + i, before[i], out.shape[2 + i] - before[i] - after[i])
    return out if bias is None else out + bias.reshape([-1] + [1] * dims)


def conv_weight_grad(a, x, g):
    groups = int(a.get("groups", 1))
    weight = x.new_zeros([g.shape[1], x.shape[1] // groups] + list(a["kernel"])).requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(conv(a, x, weight), weight, g)[0]


def sequence(cell):
    """A recurrent net's outputs (N, T, H), step by step; cell gives the new states."""
    def run(a, x, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, h0=None, c0=None):
        rows, steps = x.shape[:2]
        zero = x.new_zeros(rows, w_hh.shape[1])
        states = [zero if state is None else state for state in (h0, c0)]
        outs = [None] * steps
        for t in reversed(range(steps)) if a.get("reverse") else range(steps):
            valid = torch.ones(rows, 1, dtype=torch.bool)
            if lengths is not None:
                valid = (t < lengths).unsqueeze(1)
            new = cell(a, F.linear(x[:, t], w_ih, b_ih), F.linear(states[0], w_hh, b_hh), states)
            states = [torch.where(valid, n, old) for n, old in zip(new, states)]
            outs[t] = torch.where(valid, states[0], zero)
        return torch.stack(outs, 1)
    return run


def lstm_cell(a, of_x, of_h, states):
    i, f, g, o = (of_x + of_h).chunk(4, 1)
    c = torch.sigmoid(f) * states[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_cell(a, of_x, of_h, states):
    (rx, zx, nx), (rh, zh, nh) = of_x.chunk(3, 1), of_h.chunk(3, 1)
    z = torch.sigmoid(zx + zh)
    return (1 - z) * torch.tanh(nx + torch.sigmoid(rx + rh) * nh) + z * states[0], states[1]


def rnn_cell(a, of_x, of_h, states):
    return (torch.relu if a.get("relu") else torch.tanh)(of_x + of_h), states[1]


def backwards(a, w_hh, rows, steps, lengths, dy, dlast, states, step):
    """The gradients that step(t, first, valid, dh, dc) gives, from the last step to the first. It
    returns those of the gates of x and of h, and what goes on to the h and c before."""
    hidden, made = w_hh.shape[1], [None] * steps
    passed = [w_hh.new_zeros(rows, hidden) if dlast is None else dlast[:, k] for k in range(states)]
    order = range(steps) if a.get("reverse") else list(reversed(range(steps)))
    for count, t in enumerate(order):
        valid = torch.ones(rows, 1, dtype=w_hh.dtype)
        if lengths is not None:
            valid = (t < lengths).unsqueeze(1).to(w_hh.dtype)
        dh = passed[0] + (0 if dy is None else valid * dy[:, t])
        made[t], of_h, past, dc = step(t, count == steps - 1, dh, passed[-1])
        made[t] = valid * made[t]
        passed[0] = (valid * of_h) @ w_hh + valid * past + (1 - valid) * dh
        if states > 1:
            passed[1] = valid * dc + (1 - valid) * passed[1]
    return torch.stack(made)


def lstm_grad(a, gates, cells, w_hh, lengths=None, c0=None, dy=None, dlast=None):
    def step(t, first, dh, dc):
        i, f, g, o = gates[t].chunk(4, 1)
        tanh_c = torch.tanh(cells[t])
        before = c0 if c0 is not None else torch.zeros_like(dh)
        if not first:
            before = cells[t + (1 if a.get("reverse") else -1)]
        dc = dc + dh * o * (1 - tanh_c**2)
        d = torch.cat([dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2),
                       dh * tanh_c * o * (1 - o)], 1)
        return d, d, 0, dc * f
    return backwards(a, w_hh, cells.shape[1], len(cells), lengths, dy, dlast, 2, step)


def gru_grad(a, gates, y, w_hh, lengths=None, h0=None, dy=None, dlast=None):
    before = output_before(a, y, h0, lengths)

    def step(t, first, dh, dc):
        n, r, z, of_h = gates[t].chunk(4, 1)
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz = dn * of_h * r * (1 - r), dh * (before[:, t] - n) * z * (1 - z)
        return torch.cat([dn, dr, dz, dn * r], 1), torch.cat([dr, dz, dn * r], 1), dh * z, None
    return backwards(a, w_hh, *y.shape[:2], lengths, dy, dlast, 1, step)


def rnn_grad(a, y, w_hh, lengths=None, dy=None, dlast=None):
    def step(t, first, dh, dc):
        d = dh * ((y[:, t] > 0) if a.get("relu") else 1 - y[:, t]**2)
        return d, d, 0, None
    return backwards(a, w_hh, *y.shape[:2], lengths, dy, dlast, 1, step)


def output_before(a, y, h0, lengths):
    """The h that each step of y (N, T, H) started from."""
    h0 = y.new_zeros(len(y), 1, y.shape[2]) if h0 is None else h0.unsqueeze(1)
    if not a.get("reverse"):
        return torch.cat([h0, y[:, :-1]], 1)
    out = torch.cat([y[:, 1:], torch.zeros_like(h0)], 1)
    for row in range(len(y)):
        length = y.shape[1] if lengths is None else min(int(lengths[row]), y.shape[1])
        if length > 0:
            out[row, length - 1] = h0[row, 0]
    return out


def input_gates(d, hidden, gates):
    """Of a GRU's n, r, z, h's part of n those of x, in the order of w_ih."""
    return torch.cat([d[..., hidden:3 * hidden], d[..., :hidden]], -1) if gates == 3 else d


def recurrent_weight_grad(a, d, x, y, lengths=None, h0=None):
    d = input_gates(d, y.shape[2], a.get("gates", 4))
    return torch.einsum("tng,ntf->gf", d, x)


def recurrent_input_grad(a, d, w_ih):
    gates = 3 if len(w_ih) < d.shape[2] else 4
    return torch.einsum("tng,gf->ntf", input_gates(d, d.shape[2] // 4, gates), w_ih)


def centred(x):
    """x less a common number, which changes nothing: a large one costs even PyTorch digits."""
    middle = x.detach().mean().round() if x.numel() else 0
    return x - middle if math.isfinite(middle) else x


def layer_norm(a, x, weight=None, bias=None):
    return F.layer_norm(centred(x), x.shape[-int(a.get("dims", 1)):], weight, bias, a.get("eps", 1e-5))


def rms_norm(a, x, weight=None):
    dims = tuple(range(-int(a.get("dims", 1)), 0))
    y = x / torch.sqrt((x * x).mean(dims, True) + a.get("eps", 1.1920929e-7))
    return y if weight is None else y * weight


def group_norm(a, x, weight=None, bias=None):
    return F.group_norm(centred(x), int(a["groups"]), weight, bias, a.get("eps", 1e-5))


def batch_norm(a, x, weight=None, bias=None):
    return F.batch_norm(centred(x), None, None, weight, bias, True, 0, a.get("eps", 1e-5))


def local_response_norm(a, x):
    return F.local_response_norm(x if x.dim() > 2 else x[:, :, None], int(a["size"][0]),
                                 a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("k", 1.0)).reshape(x.shape)


def interpolate(a, x):
    corners, linear = bool(a.get("align_corners", 0)), bool(a.get("linear", 0))
    size = spatial(a, "size", x, None) if a.get("size") else None
    return F.interpolate(x, size, a.get("scale_factor"),
                         ("linear" if x.dim() == 3 else "bilinear") if linear else "nearest",
                         corners if linear else None)


def interpolate_grad(a, g):
    x = g.new_zeros(list(g.shape[:2]) + a["input_size"]).requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(interpolate(a, x), x, g)[0]


def norm_grad(g, x, mean, inv, rest, weight, dims):
    """The gradient in x over axes dims for any statistics, with (x - mean - rest) inv the normalised x."""
    xhat, h = (x - mean - rest) * inv, g if weight is None else g * weight
    return inv * (h - h.mean(dims, True) - xhat * (h * xhat).mean(dims, True))


def layer_norm_grad(a, g, x, mean, inv, rest, weight=None):
    dims = int(a.get("dims", 1))
    stats = [s.reshape(s.shape + (1,) * dims) for s in (mean, inv, rest)]
    return norm_grad(g, x, *stats, weight, tuple(range(-dims, 0)))


def rms_norm_grad(a, g, x, inv, weight=None):
    dims = tuple(range(-int(a.get("dims", 1)), 0))
    inv, h = inv.reshape(inv.shape + (1,) * len(dims)), g if weight is None else g * weight
    return inv * (h - x * inv * (h * x * inv).mean(dims, True))


def group_norm_grad(a, g, x, mean, inv, rest, weight=None):
    shape = (x.shape[0], int(a["groups"]), x.shape[1] // int(a["groups"]), -1)
    stats = [s[:, :, None, None] for s in (mean, inv, rest)]
    weight = None if weight is None else weight.reshape(1, *shape[1:3], 1)
    return norm_grad(g.reshape(shape), x.reshape(shape), *stats, weight, (2, 3)).reshape(x.shape)


def batch_norm_grad(a, g, x, mean, variance, rest, weight=None):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    inv = 1 / torch.sqrt(variance + a.get("eps", 1e-5))
    stats = [s.reshape(shape) for s in (mean, inv, rest)]
    weight = None if weight is None else weight.reshape(shape)
    return norm_grad(g, x, *stats, weight, (0,) + tuple(range(2, x.dim())))


def local_response_norm_grad(a, g, x, y, s):
    size, beta = int(a["size"][0]), a.get("beta", 0.75)
    term, total = g * y / s, torch.zeros_like(x)
    for c in range(x.shape[1]):
        low, high = max(0, c - (size - 1) // 2), c + size // 2 + 1
        total[:, c] = term[:, low:high].sum(1)
    return g * s ** -beta - 2 * a.get("alpha", 1e-4) * beta / size * x * total


OPS = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "conv_weight_grad": conv_weight_grad,
    "add": lambda a, x, y: x + y,
    "sub": lambda a, x, y: x - y,
    "mul": lambda a, x, y: x * y,
    "div": lambda a, x, y: x / y,
    "pow": lambda a, x, y: torch.pow(x, y),
    "maximum": lambda a, x, y: torch.maximum(x, y),
    "minimum": lambda a, x, y: torch.minimum(x, y),
    "neg": lambda a, x: -x,
    "exp": lambda a, x: torch.exp(x),
    "log": lambda a, x: torch.log(x),
    "sqrt": lambda a, x: torch.sqrt(x),
    "square": lambda a, x: x * x,
    "reciprocal": lambda a, x: 1 / x,
    "abs": lambda a, x: torch.abs(x),
    "sign": lambda a, x: torch.sign(x),
    "sin": lambda a, x: torch.sin(x),
    "cos": lambda a, x: torch.cos(x),
    "clip": lambda a, x: torch.clamp(x, a["min"], a["max"]),
    "equal": lambda a, x, y: truth(x == y),
    "not_equal": lambda a, x, y: truth(x != y),
    "less": lambda a, x, y: truth(x < y),
    "less_equal": lambda a, x, y: truth(x <= y),
    "greater": lambda a, x, y: truth(x > y),
    "greater_equal": lambda a, x, y: truth(x >= y),
    "where": lambda a, c, x, y: torch.where(c != 0, x, y),
    "floor": lambda a, x: torch.floor(x),
    "ceil": lambda a, x: torch.ceil(x),
    "round": lambda a, x: torch.round(x),
    "floor_divide": lambda a, x, y: torch.floor(x / y) + 0 * (x + y),
    "remainder": remainder,
    "log1p": lambda a, x: torch.log1p(x),
    "expm1": lambda a, x: torch.expm1(x),
    "tan": lambda a, x: torch.tan(x),
    "logical_and": lambda a, x, y: truth(torch.logical_and(x, y)),
    "logical_or": lambda a, x, y: truth(torch.logical_or(x, y)),
    "logical_not": lambda a, x: truth(torch.logical_not(x)),
    "isnan": lambda a, x: truth(torch.isnan(x)),
    "isfinite": lambda a, x: truth(torch.isfinite(x)),
    "relu": lambda a, x: F.relu(x),
    "leaky_relu": lambda a, x: F.leaky_relu(x, a.get("slope", 0.01)),
    "sigmoid": lambda a, x: torch.sigmoid(x),
    "tanh": lambda a, x: torch.tanh(x),
    "elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "selu": lambda a, x: F.selu(x),
    "gelu": lambda a, x: F.gelu(x),
    "silu": lambda a, x: F.silu(x),
    "gelu_tanh": lambda a, x: F.gelu(x, approximate="tanh"),
    "mish": lambda a, x: F.mish(x),
    "celu": lambda a, x: F.celu(x, a.get("alpha", 1.0)),
    "relu6": lambda a, x: F.relu6(x),
    "hardtanh": lambda a, x: F.hardtanh(x, a.get("min_val", -1.0), a.get("max_val", 1.0)),
    "hardsigmoid": lambda a, x: F.hardtanh(x, -3.0, 3.0) / 6 + 0.5,  # PyTorch's divides by 6.0f
    "hardswish": lambda a, x: F.hardswish(x),
    "softsign": lambda a, x: F.softsign(x),
    "logsigmoid": lambda a, x: F.logsigmoid(x),
    "softshrink": lambda a, x: F.softshrink(x, a.get("lambd", 0.5)),
    "hardshrink": lambda a, x: F.hardshrink(x, a.get("lambd", 0.5)),
    "tanhshrink": lambda a, x: F.tanhshrink(x),
    "threshold": lambda a, x: F.threshold(x, a["threshold"], a["value"]),
    "prelu": lambda a, x, slope: torch.where(x > 0, x, slope * x),
    "softplus": lambda a, x: F.softplus(x, threshold=1e9) if x.abs().max() < 100
                else torch.logaddexp(x, torch.zeros_like(x)),
    "bce_with_logits": lambda a, x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    "squared_error": lambda a, x, y: F.mse_loss(x, y, reduction="none"),
    "absolute_error": lambda a, x, y: F.l1_loss(x, y, reduction="none"),
    "huber_error": lambda a, x, y: F.huber_loss(x, y, reduction="none", delta=a.get("delta", 1.0)),
    "hinge_error": lambda a, x, y: torch.clamp(1 - x * y, min=0),
    "kl_error": lambda a, x, y: F.kl_div(x, y, reduction="none"),
    "matmul": matmul,
    "sum": reduced(lambda x, dims, keep: x.sum(dims, keep) if dims else x * 1),
    "mean": reduced(lambda x, dims, keep: x.mean(dims, keep)),
    "max": extreme(torch.amax),
    "min": extreme(torch.amin),
    "variance": lambda a, x: torch.var(x, axes(a, x), correction=int(a.get("correction", 1)),
                                       keepdim=bool(a.get("keepdims", 0))),
    "norm": lambda a, x: reduced(lambda x, dims, keep: norm(x, dims, keep, a.get("p", 2.0)))(a, x),
    "argmax": lambda a, x: torch.from_numpy(
        np.asarray(np.argmax(x.detach().numpy(), int(a.get("axis", -1))))),
    "prod": prod,
    "argmin": lambda a, x: torch.from_numpy(
        np.asarray(np.argmin(x.detach().numpy(), int(a.get("axis", -1))))),
    "sort": sort,
    "cumsum": cumsum,
    "cumprod": lambda a, x: torch.cumprod(x, int(a.get("axis", -1))),
    "gather": gather,
    "scatter_add": scatter_add,
    "flip": lambda a, x: torch.flip(x, a["axes"]) if a.get("axes") else torch.flip(x, axes(a, x)),
    "roll": lambda a, x: torch.roll(x, int(a["shift"]), int(a.get("axis", -1))) if x.numel() else x,
    "tril": lambda a, x: torch.tril(x, int(a.get("diagonal", 0))),
    "triu": lambda a, x: torch.triu(x, int(a.get("diagonal", 0))),
    "reshape": lambda a, x: x.reshape(a["shape"]),
    "transpose": lambda a, x: x.permute(a.get("axes") or tuple(reversed(range(x.dim())))),
    "slice": slice_of,
    "pad": pad,
    "concat": lambda a, x, y: torch.cat([x, y], int(a.get("axis", 0))),
    "expand": lambda a, x: x.expand(a["shape"]),
    "sum_to": lambda a, x: x.sum_to_size(a["shape"]),
    "take": take,
    "take_grad": take_grad,
    "softmax": lambda a, x: torch.softmax(x, int(a.get("axis", -1))),
    "log_softmax": lambda a, x: torch.log_softmax(x, int(a.get("axis", -1))),
    "softmax_grad": lambda a, g, y: y * (g - (g * y).sum(int(a.get("axis", -1)), True)),
    "log_softmax_grad": lambda a, g, y: g - torch.exp(y) * g.sum(int(a.get("axis", -1)), True),
    "softmax_cross_entropy": cross_entropy,
    "softmax_cross_entropy_grad": cross_entropy_grad,
    "correct": correct,
    "dropout": dropout,
    "gaussian_noise": gaussian_noise,
    "lstm": sequence(lstm_cell),
    "gru": sequence(gru_cell),
    "rnn": sequence(rnn_cell),
    "lstm_grad": lstm_grad,
    "gru_grad": gru_grad,
    "rnn_grad": rnn_grad,
    "recurrent_weight_grad": recurrent_weight_grad,
    "recurrent_input_grad": recurrent_input_grad,
    "attention": attention,
    "attention_grad": attention_grad,
    "interpolate": interpolate,
    "interpolate_grad": interpolate_grad,
    "layer_norm": layer_norm,
    "layer_norm_grad": layer_norm_grad,
    "rms_norm": rms_norm,
    "rms_norm_grad": rms_norm_grad,
    "group_norm": group_norm,
    "group_norm_grad": group_norm_grad,
    "batch_norm": batch_norm,
    "batch_norm_grad": batch_norm_grad,
    "local_response_norm": local_response_norm,
    "local_response_norm_grad": local_response_norm_grad,
    "max_pool": max_pool,
    "max_pool_grad": max_pool_grad,
    "avg_pool": avg_pool,
    "avg_pool_grad": linear_grad(lambda a, x, g: avg_pool(a, x)),
    "adaptive_max_pool": adaptive(F.adaptive_max_pool1d, F.adaptive_max_pool2d),
    "adaptive_avg_pool": adaptive(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d),
    "adaptive_avg_pool_grad": linear_grad(lambda a, x, g: adaptive(
        F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)(dict(output_size=list(g.shape[2:])), x)),
}

LISTS = ("axes", "shape", "kernel_size", "stride", "padding", "dilation", "size", "output_size", "input_size",
         "kernel", "output_padding")


def parse_attrs(text):
    attrs = {}
    for item in text.split():
        name, value = item.split("=")
        if name in LISTS:
            attrs[name] = [int(v) for v in value.split(",") if v]
        else:
            attrs[name] = float(value)
    return attrs


def make_input(text, random):
    if text == "-":
        return None
    shape_text, values = text.split(":", 1)
    shape = () if shape_text == "s" else tuple(int(n) for n in shape_text.split("x"))
    count = int(np.prod(shape, dtype=np.int64))
    if values.startswith("=int,"):
        return np.resize(np.array([int(v) for v in values[5:].split(",")]), shape)
    if values.startswith("="):
        given = np.array([float(v) for v in values[1:].split(",")], np.float32)
        return np.resize(given, shape)
    if values.startswith("int:"):
        low, high = (int(v) for v in values[4:].split(".."))
        return random.randint(low, high + 1, count).reshape(shape)
    limits, _, step = values.partition("/")
    low, high = (float(v) for v in limits.split(".."))
    made = random.uniform(low, high, count)
    if step:
        made = np.round(made / float(step)) * float(step)
    return made.astype(np.float32).reshape(shape)


def to_torch(array):
    if array is None:
        return None
    array = np.asarray(array)
    return torch.from_numpy(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))


def make_case(op, label, inputs, attrs, checks):
    random = np.random.RandomState(zlib.crc32(f"{op}.{label}".encode()))
    arrays = [make_input(text, random) for text in inputs.split()]
    tensors = [to_torch(array) for array in arrays]
    wanted = [int(i) for i in re.findall(r"g(\d+)", checks) for i in i]
    for i in wanted:
        tensors[i].requires_grad_()
    out = OPS[op](parse_attrs(attrs), *tensors)
    made = {f"{label}.in{i}": array for i, array in enumerate(arrays)
            if array is not None}
    made[f"{label}.out"] = out.detach().numpy()
    if wanted:
        g = random.uniform(-1, 1, int(np.prod(out.shape))).astype(np.float32).reshape(out.shape)
        out.backward(to_torch(g))
        made[f"{label}.g"] = g
        for i in wanted:
            made[f"{label}.grad{i}"] = tensors[i].grad.numpy()
    return made


def main():
    text = open(CASES, encoding="utf-8").read()
    cases = re.findall(r'^CASE\((\w+), "([^"]*)", "([^"]*)",\s+"([^"]*)",\s+"([^"]*)"\)', text, re.M)
    assert len(cases) == len(re.findall(r"^CASE\(", text, re.M)), "a row was not understood"
    files = {}
    for op, label, inputs, attrs, checks in cases:
        try:
            files.setdefault(op, {}).update(make_case(op, label, inputs, attrs, checks))
        except Exception as error:
            raise SystemExit(f"{op} {label}: {error!r}")
    for op, arrays in files.items():
        if len(sys.argv) < 2 or op in sys.argv[1:]:
            np.savez_compressed(os.path.join(HERE, "ops", op + ".npz"), **arrays)
    print(f"{len(cases)} cases of {len(files)} ops")


main()
