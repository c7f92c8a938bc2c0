"""Foolbox's, torchattacks' and ART's l-infinity attacks on a perceptron of mnist_models.py: JSON lines in and out.

Commands: load {model, x, y, count, threads}, attack {tool, kind, radius, steps, step_size, start, count}. `fgsm`, `bim` (the
iterates clipped to the ball and to [0, 1]) and, unless `start` is random, `pgd`, which is BIM with more and smaller steps,
start at the image itself, so that all tools compute the same thing. `cw` and `deepfool` look for the closest point in l2, `steps`
of `square` are queries. An answer has the seconds of the attack alone, and the share of images that the model still gets
right at the points it returned, by a forward pass of our own.
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


# Attacks that look for the closest adversarial point, and in which norm.
NORMS = {"cw": 2, "deepfool": 2}


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

    def attack(self, tool, kind, radius, steps=1, step_size=1.0, start="clean", count=None):
        x, y = self.x[:count], self.y[:count]
        run = getattr(self, f"_{tool}")(kind, radius, steps, step_size * radius, start == "random", x, y)
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        points = run()
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return {"seconds": seconds, "cpuSeconds": cpu, **self._left(points.detach(), x, y, kind, radius)}

    def _left(self, points, x, y, kind, radius):
        """The share that stands: of attacks for the closest point, those whose point is wrong and within the radius fall."""
        with torch.no_grad():
            right = self.model(points).argmax(1) == y
            clean = self.model(x).argmax(1) == y
        norm = NORMS.get(kind)
        if norm is None:
            return {"robust": right.float().mean().item()}
        distances = torch.linalg.vector_norm((points - x).flatten(1), ord=norm, dim=1)
        found = clean & ~right
        return {
            "robust": (clean & ~(found & (distances <= radius))).float().mean().item(),
            "median": distances[found].quantile(0.5).item() if found.any() else None,
            "found": (found.sum() / clean.sum()).item(),
        }

    def _foolbox(self, kind, radius, steps, step, random, x, y):
        import foolbox

        model = foolbox.PyTorchModel(self.model, bounds=(0, 1), device="cpu")
        attacks = foolbox.attacks
        attack = {
            "fgsm": lambda: attacks.LinfFastGradientAttack(random_start=False),
            "bim": lambda: attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=False),
            "pgd": lambda: attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=random),
            "cw": lambda: attacks.L2CarliniWagnerAttack(
                binary_search_steps=9, steps=steps, stepsize=0.1, initial_const=0.01
            ),
            "deepfool": lambda: attacks.L2DeepFoolAttack(steps=steps),
        }[kind]()
        if kind in NORMS:
            # `run` is the search alone; calling the attack would add passes that judge its success.
            return lambda: attack.run(model, x, foolbox.criteria.Misclassification(y))
        return lambda: attack.run(model, x, y, epsilon=radius)

    def _torchattacks(self, kind, radius, steps, step, random, x, y):
        import torchattacks as ta

        settings = {"norm": "Linf", "eps": radius, "n_restarts": 1}
        attack = {
            "fgsm": lambda: ta.FGSM(self.model, eps=radius),
            "bim": lambda: ta.PGD(self.model, eps=radius, alpha=step, steps=steps, random_start=False),
            "pgd": lambda: ta.PGD(self.model, eps=radius, alpha=step, steps=steps, random_start=random),
            "cw": lambda: ta.CW(self.model, c=1, steps=steps, lr=0.1),
            "deepfool": lambda: ta.DeepFool(self.model, steps=steps),
            "apgd": lambda: ta.APGD(self.model, steps=steps, loss="ce", **settings),
            "square": lambda: ta.Square(self.model, n_queries=steps, **settings),
            # Its AutoAttack takes 10 steps; these are the settings of the reference code.
            "autoattack": lambda: ta.MultiAttack(
                [
                    ta.APGD(self.model, steps=100, loss="ce", **settings),
                    ta.APGDT(self.model, steps=100, n_classes=10, **settings),
                    ta.FAB(self.model, steps=100, multi_targeted=True, n_classes=10, **settings),
                    ta.Square(self.model, n_queries=5000, **settings),
                ]
            ),
        }[kind]()
        return lambda: attack(x, y)

    def _art(self, kind, radius, steps, step, random, x, y):
        from art.attacks import evasion
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            self.model, torch.nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
        )
        batch = {"batch_size": len(x)}
        pgd = {"eps": radius, "eps_step": step, "max_iter": steps, "verbose": False, **batch}
        attack = {
            "fgsm": lambda: evasion.FastGradientMethod(classifier, eps=radius, **batch),
            "bim": lambda: evasion.ProjectedGradientDescent(classifier, **pgd),
            "pgd": lambda: evasion.ProjectedGradientDescent(classifier, num_random_init=int(random), **pgd),
            "cw": lambda: evasion.CarliniL2Method(
                classifier,
                binary_search_steps=9,
                max_iter=steps,
                learning_rate=0.1,
                initial_const=0.01,
                verbose=False,
                **batch,
            ),
            "deepfool": lambda: evasion.DeepFool(classifier, max_iter=steps, epsilon=0.02, verbose=False, **batch),
            "apgd": lambda: evasion.AutoProjectedGradientDescent(
                classifier, eps=radius, eps_step=2 * radius, max_iter=steps, nb_random_init=1, verbose=False, **batch
            ),
            "square": lambda: evasion.SquareAttack(classifier, eps=radius, max_iter=steps, nb_restarts=1, verbose=False, **batch),
        }[kind]()
        images, labels = x.numpy(), torch.nn.functional.one_hot(y, 10).numpy()
        return lambda: torch.tensor(attack.generate(images, labels))


peer = Peer()
print(json.dumps(versions()), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = getattr(peer, command.pop("op"))(**command)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
