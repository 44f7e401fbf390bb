"""Golden values of what surrounds the optimiser in training: weights of a small network after 50
full-batch steps of PyTorch 1.13, in float64.

    python3 tests/golden/make_training.py > tests/golden/training.csv

The network is Linear(3, 4), tanh, Linear(4, 1), the loss the mean squared error; inputs, targets and
starting weights are sines (see `wave`). Each line is a name and all weights, layer by layer.
tests/lua/test_nn_training.lua has the same cases."""
import math

import torch
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import AveragedModel

STEPS = 50
torch.set_default_dtype(torch.float64)


def wave(count, phase, scale):
    return torch.tensor([scale * math.sin(phase + 1.7 * i) for i in range(count)])


X = wave(36, 0.3, 1.0).reshape(12, 3)
Y = wave(12, 0.9, 0.8).reshape(12, 1)


def network():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(wave(12, 0.1, 0.7).reshape(4, 3))
        model[0].bias.copy_(wave(4, 0.2, 0.1))
        model[2].weight.copy_(wave(4, 0.5, 0.6).reshape(1, 4))
        model[2].bias.copy_(wave(1, 0.7, 0.1))
    return model


def decay_groups(model, decay):
    """Weights decay, biases do not."""
    return [{"params": [model[0].weight, model[2].weight], "weight_decay": decay},
            {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0}]


def train(make, model=None, schedule=None, after=None, freeze=None):
    """Train; `after(step, model)` runs behind each step, `freeze(step, model)` before it."""
    model = model or network()
    optimizer = make(model)
    scheduler = schedule(optimizer) if schedule else None

    def evaluate():
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(X), Y)
        loss.backward()
        return loss

    for step in range(1, STEPS + 1):
        if freeze:
            freeze(step, model)
        optimizer.step(evaluate)
        if scheduler:
            scheduler.step()
        if after:
            after(step, model)
    return model


def show(name, model):
    numbers = [f"{w:.17g}" for p in model.parameters() for w in p.detach().flatten().tolist()]
    print(name + "," + ",".join(numbers))


def averaged(make, decay, start=1, every=1):
    model = network()
    average = AveragedModel(model, avg_fn=(lambda a, w, n: decay * a + (1 - decay) * w) if decay < 1 else None)

    def after(step, trained):
        if step >= start and (step - start) % every == 0:
            average.update_parameters(trained)

    train(make, model, after=after)
    return average


def limit(step, model):
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.copy_(torch.renorm(layer.weight, 2, 0, 0.7))


def thaw(step, model):
    """The first layer is frozen from step 11 to 30."""
    for parameter in model[0].parameters():
        parameter.requires_grad_(not 11 <= step <= 30)
        if 11 <= step <= 30:
            parameter.grad = None


adam = lambda model: torch.optim.Adam(model.parameters(), lr=0.02)
show("groups", train(lambda m: torch.optim.AdamW(
    [{"params": m[0].parameters(), "lr": 0.004, "weight_decay": 0.3},
     {"params": [m[2].weight]}, {"params": [m[2].bias], "weight_decay": 0.0}], lr=0.02, weight_decay=0.05)))
show("layer_options", train(lambda m: torch.optim.SGD(
    [{"params": [m[0].weight], "lr": 0.05, "weight_decay": 0.1}, {"params": [m[0].bias], "lr": 0.05},
     {"params": m[2].parameters()}], lr=0.1, momentum=0.9)))
show("frozen", train(lambda m: torch.optim.Adam(m[2].parameters(), lr=0.02)))
show("thawed", train(lambda m: torch.optim.SGD(decay_groups(m, 0.01), lr=0.1, momentum=0.9), freeze=thaw))
show("ema", averaged(adam, 0.9))
show("swa", averaged(adam, 1, start=20, every=3))
show("max_norm", train(adam, after=limit))
show("lbfgs", train(lambda m: torch.optim.LBFGS(m.parameters(), max_iter=1, line_search_fn="strong_wolfe")))
show("one_cycle", train(lambda m: torch.optim.SGD(m.parameters(), lr=0.5, momentum=0.9),
                        schedule=lambda o: lrs.OneCycleLR(o, 0.5, STEPS)))
show("one_cycle_adam", train(adam, schedule=lambda o: lrs.OneCycleLR(o, 0.05, STEPS)))
show("cyclic", train(lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
                     schedule=lambda o: lrs.CyclicLR(o, 0.02, 0.2, 8)))
show("restarts", train(adam, schedule=lambda o: lrs.CosineAnnealingWarmRestarts(o, 7, 2)))
show("radam", train(lambda m: torch.optim.RAdam(decay_groups(m, 0.01), lr=0.02)))
