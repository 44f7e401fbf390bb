#!/usr/bin/python3
"""Make tests/golden/recurrent.npz: PyTorch's RNN, LSTM and GRU, forwards and backwards.

    /usr/bin/python3 tests/golden/make_recurrent.py        (Debian: python3-torch)

One flat array a case, LSTM_2_bi_lengths_states for example: the outputs, row by row (all
steps of y, then the last states, (layers * directions, hidden) each), and the gradients of their
sum weighted by wave(3): of x, of the first states, and of the parameters in PyTorch's order. Inputs
need not be stored, being waves: tests/lua/test_nn_recurrent.lua makes the same.
"""
import itertools
import os

import numpy as np
import torch

N, T, F, H = 3, 4, 2, 3
LENGTHS = [4, 1, 3]


def wave(stream, *shape):
    count = int(np.prod(shape))
    return torch.tensor(0.6 * np.sin(1.3 * stream + 0.37 * np.arange(count))).reshape(shape)


def make_case(kind, layers, bidirectional, lengths, states):
    options = dict(nonlinearity=kind[4:]) if kind[:4] == "RNN_" else {}
    net = getattr(torch.nn, kind[:3] if options else kind)(
        F, H, layers, batch_first=True, bidirectional=bidirectional, **options).double()
    params = list(net.parameters())
    with torch.no_grad():
        for i, param in enumerate(params):
            param.copy_(wave(10 + i, *param.shape))
    x = wave(0, N, T, F).requires_grad_()
    count = layers * (2 if bidirectional else 1)
    first = [wave(1 + i, count, N, H).requires_grad_() for i in range(2 if kind == "LSTM" else 1)]
    given = None
    if states:
        given = tuple(first) if kind == "LSTM" else first[0]
    if lengths:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True,
                                                         enforce_sorted=False)
        y, last = net(packed, given)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=T)
    else:
        y, last = net(x, given)
    last = last if kind == "LSTM" else (last,)
    out = torch.cat([y.flatten(1)] + [state.transpose(0, 1).flatten(1) for state in last], 1)
    (out * wave(3, *out.shape)).sum().backward()
    grads = [x.grad] + [state.grad for state in first if states] + [p.grad for p in params]
    return torch.cat([part.detach().flatten() for part in [out] + grads]).float().numpy()


def main():
    made = {}
    for kind, layers, bi, lengths, states in itertools.product(
            ("RNN_tanh", "RNN_relu", "LSTM", "GRU"), (1, 2), (False, True), (False, True),
            (False, True)):
        name = f"{kind}_{layers}" + "_bi" * bi + "_lengths" * lengths + "_states" * states
        made[name] = make_case(kind, layers, bi, lengths, states)
    here = os.path.dirname(os.path.abspath(__file__))
    np.savez_compressed(os.path.join(here, "recurrent.npz"), **made)
    print(f"{len(made)} cases")


main()
