"""Foolbox's, torchattacks' and ART's l-infinity attacks on a perceptron of mnist_models.py: JSON lines in and out.

Commands: load {model, x, y, count, threads}, attack {tool, kind, radius, steps, step_size}. All attacks start at the
image itself, so that they compute the same thing: `fgsm`, `bim` (the iterates clipped to the ball and to [0, 1]) and
`pgd`, which is BIM with more and smaller steps. An answer has the seconds of the attack alone, and the share of images
that the model still gets right at the points it returned, by a forward pass of our own.
"""

import json
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import numpy
import torch
from safetensors.torch import load_file


def versions():
    found = {"torch": torch.__version__}
    for package in ("foolbox", "torchattacks", "art"):
        try:
            found[package] = __import__(package).__version__
        except Exception as error:  # Which one is missing is the caller's to say.
            found[package] = f"missing: {error}"
    return found


class Peer:
    def load(self, model, x, y, count, threads):
        torch.set_num_threads(threads)
        weights = load_file(model)
        names = sorted({name.rsplit(".", 1)[0] for name in weights}, key=int)
        layers = []
        for name in names:
            fan_out, fan_in = weights[f"{name}.weight"].shape
            layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
        perceptron = torch.nn.Sequential(*layers[:-1])
        perceptron.load_state_dict(weights)
        # Libraries attack images; none of them needs gradients in the weights.
        self.model = torch.nn.Sequential(torch.nn.Flatten(), perceptron).eval().requires_grad_(False)
        self.x = torch.tensor(numpy.load(x)[:count]).reshape(-1, 1, 28, 28)
        self.y = torch.tensor(numpy.load(y)[:count])
        return {"clean": self._accuracy(self.x)}

    def _accuracy(self, points):
        with torch.no_grad():
            return (self.model(points).argmax(1) == self.y).float().mean().item()

    def attack(self, tool, kind, radius, steps, step_size):
        run = getattr(self, f"_{tool}")(kind, radius, steps, step_size * radius)
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        points = run()
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        change = (points - self.x).abs().max().item()
        return {"seconds": seconds, "cpuSeconds": cpu, "robust": self._accuracy(points), "change": change}

    def _foolbox(self, kind, radius, steps, step):
        import foolbox

        model = foolbox.PyTorchModel(self.model, bounds=(0, 1), device="cpu")
        attacks = foolbox.attacks
        attack = (
            attacks.LinfFastGradientAttack(random_start=False)
            if kind == "fgsm"
            else attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=False)
        )
        return lambda: attack.run(model, self.x, self.y, epsilon=radius)

    def _torchattacks(self, kind, radius, steps, step):
        import torchattacks

        # It takes the device from a parameter.
        attack = (
            torchattacks.FGSM(self.model, eps=radius)
            if kind == "fgsm"
            else torchattacks.PGD(self.model, eps=radius, alpha=step, steps=steps, random_start=False)
        )
        return lambda: attack(self.x, self.y)

    def _art(self, kind, radius, steps, step):
        from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            self.model, torch.nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
        )
        attack = (
            FastGradientMethod(classifier, eps=radius, batch_size=len(self.x))
            if kind == "fgsm"
            else ProjectedGradientDescent(
                classifier, eps=radius, eps_step=step, max_iter=steps, batch_size=len(self.x), verbose=False
            )
        )
        x, y = self.x.numpy(), torch.nn.functional.one_hot(self.y, 10).numpy()
        return lambda: torch.tensor(attack.generate(x, y))


peer = Peer()
print(json.dumps(versions()), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = getattr(peer, command.pop("op"))(**command)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
