"""PyTorch's side of a comparison: JSON lines in, JSON lines out, one command a timed round.

The first line it writes says which versions answer. Commands: load, check, tune, attack, product, reset, step, memory.
SADDLE_TORCH_DEVICE names the device that computes, such as cuda:0; default cpu. A precision (tf32, bf16) is that of the
search for adversarial points alone, as on the other side.
"""

import contextlib
import json
import os
import platform
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch

from attacks import by_foolbox, by_hand, by_torchattacks, huber
from networks import FoldedForm, Files, PairsForm, PaperForm


DEVICE = os.environ.get("SADDLE_TORCH_DEVICE", "cpu")
ON_GPU = DEVICE.startswith("cuda")


@contextlib.contextmanager
def precision_of(name):
    """float32 as it is; tf32: operands rounded to it; bf16: torch.autocast."""
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(DEVICE.split(":")[0], dtype=torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


class Peer:
    def load(self, problem, forms):
        """Builds the named forms; answers with those that can't be had, and why."""
        files = Files(problem, DEVICE)
        self.x, self.y = files("x"), files("y")
        self.forms, refused = {}, {}
        for name in forms:
            reason = self._too_large(problem) if name == "paper" else None
            if reason is not None:
                refused[name] = reason
                continue
            make = {"paper": PaperForm, "folded": FoldedForm, "pairs": PairsForm}[name]
            self.forms[name] = make(problem, files)
        self.objectives = {name: self._eager(form) for name, form in self.forms.items()}
        return {"refused": refused}

    @staticmethod
    def _too_large(problem):
        """W(1), W(1)_0 and its gradient, against the machine's memory."""
        needed = 3 * 4 * problem["width"] ** 2
        # On the way to a GPU the matrix is made in float64 on the host.
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        present = torch.cuda.mem_get_info(DEVICE)[1] if ON_GPU else machine
        if needed < 0.5 * min(present, machine):
            return None
        return f"W(1), its start and its gradient take {needed / 1e9:.0f} GB, there are {present / 1e9:.0f}"

    @staticmethod
    def _eager(form):
        return lambda x, y: huber(form.forward(x), y)

    def check(self, form):
        x = self.x.clone().requires_grad_(True)
        outputs = self.forms[form].forward(x)
        (gradient,) = torch.autograd.grad(huber(outputs, self.y), x)
        return {"outputs": outputs.tolist(), "gradient": gradient.flatten().tolist()}

    def tune(self, form, attack, threads):
        """Tries torch.compile on the objective and keeps it if two steps of the attack are faster with it."""
        torch.set_num_threads(threads)
        eager = self._eager(self.forms[form])
        objectives = {"eager": eager, "compiled": torch.compile(eager, dynamic=False)}
        seconds = {name: [] for name in objectives}
        try:
            for _ in range(6):
                for name, objective in objectives.items():
                    began = time.perf_counter()
                    by_hand(objective, self.x, self.y, steps=2, **attack)
                    seconds[name].append(time.perf_counter() - began)
        except Exception as error:
            return {"compiled": False, "reason": str(error).strip().split("\n")[0]}
        # The first rounds compile.
        best = {name: min(times[2:]) for name, times in seconds.items()}
        faster = best["compiled"] < best["eager"]
        self.objectives[form] = objectives["compiled" if faster else "eager"]
        return {"compiled": faster, "seconds": best}

    def attack(self, form, tool, attack, steps, threads, precision="float32"):
        """As on the other side: f at x, the search, f at what it found."""
        torch.set_num_threads(threads)
        forward = self.forms[form].forward
        return self._timed(lambda: self._attack(forward, form, tool, attack, steps, precision))

    def _attack(self, forward, form, tool, attack, steps, precision):
        with torch.no_grad():
            clean = huber(forward(self.x), self.y).item()
        with precision_of(precision):
            point = self._search(form, tool, attack, steps)
        with torch.no_grad():
            loss = huber(forward(point), self.y).item() / len(self.y)
        return {"loss": loss, "clean": clean / len(self.y)}

    def _search(self, form, tool, attack, steps):
        if tool == "torch":
            return by_hand(self.objectives[form], self.x, self.y, steps=steps, **attack)
        library = {"torchattacks": by_torchattacks, "foolbox": by_foolbox}[tool]
        return library(self.forms[form].forward, self.x, self.y, steps=steps, **attack)

    def reset(self, form):
        self.forms[form].reset()
        return {}

    def product(self, size, precision="float32"):
        """A product of two square matrices."""
        a, b = (torch.rand(size, size, device=DEVICE) for _ in range(2))
        with precision_of(precision):
            return self._timed(lambda: {"number": (a @ b)[0, 0].item()})

    def step(self, form, attack, steps, step_size, radius, threads, precision="float32"):
        """One step of adversarial training: attack, gradient in the weights, descent, projection."""
        torch.set_num_threads(threads)
        return self._timed(lambda: self._step(form, attack, steps, step_size, radius, precision))

    def _step(self, form, attack, steps, step_size, radius, precision):
        network = self.forms[form]
        with precision_of(precision):
            point = self._search(form, "torch", attack, steps)
        for w in network.weights:
            w.requires_grad_(True)
        loss = huber(network.forward(point), self.y) / len(self.y)
        gradients = torch.autograd.grad(loss, network.weights)
        for w in network.weights:
            w.requires_grad_(False)
        with torch.no_grad():
            network.descend(gradients, step_size, radius)
        return {"loss": loss.item()}

    @staticmethod
    def _timed(work):
        if ON_GPU:
            torch.cuda.synchronize()
        cpu, began = time.process_time(), time.perf_counter()
        result = work()
        if ON_GPU:
            torch.cuda.synchronize()
        return {
            "seconds": time.perf_counter() - began,
            "cpuSeconds": time.process_time() - cpu,
            **result,
        }

    @staticmethod
    def memory():
        return {"bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def version_of(name):
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def main():
    # Only answers go to stdout, whatever a library prints.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    names = ("torch", "torchattacks", "foolbox")
    versions = {name: version_of(name) for name in names}
    if ON_GPU and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} has no CUDA device")
    versions["device"] = torch.cuda.get_device_name(DEVICE) if ON_GPU else "cpu"
    lines = [line.strip(" -") for line in torch.__config__.show().split("\n")]
    blas = next((line for line in lines if "Math Kernel" in line or "OpenBLAS" in line), "unknown")
    print(json.dumps({"python": platform.python_version(), **versions, "blas": blas}), file=answers)
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(peer, command.pop("op"))(**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


main()
