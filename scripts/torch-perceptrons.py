"""Makes packages/distributed/test/data/torch: perceptrons as PyTorch saves them, and what they compute.

    python3 -m venv ~/saddle-peers && ~/saddle-peers/bin/pip install torch numpy safetensors
    ~/saddle-peers/bin/python scripts/torch-perceptrons.py

Each NAME.safetensors is save_file(model.state_dict(), …) of a seeded model. NAME.expected.safetensors holds points x
[4, d], the outputs there [4, c], a cotangent C [4, c], and the gradient of sum(C * model(x)) in x, all computed by
PyTorch in float64 from the very numbers of the file.
"""

import pathlib

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent.parent / "packages/distributed/test/data/torch"


def sequential(sizes, activation, bias=True):
    layers = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(fan_in, fan_out, bias=bias), activation()]
    return torch.nn.Sequential(*layers[:-1])


class Named(torch.nn.Module):
    """Layers as attributes, with a dropout between them, under a prefix and with a head of another name."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 8), torch.nn.Tanh()
        )
        self.head = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x))


def many_layers():
    """More than ten entries, so that names sort otherwise than numbers."""
    return sequential([5, 6, 6, 6, 6, 6, 6, 4], torch.nn.GELU)


MODELS = {
    "relu": lambda: sequential([15, 10, 5], torch.nn.ReLU),
    "scalar-half": lambda: sequential([6, 12, 1], torch.nn.Softplus, bias=False).half(),
    "bfloat": lambda: sequential([6, 9, 4], torch.nn.SiLU).bfloat16(),
    "double": lambda: sequential([6, 9, 4], torch.nn.ReLU).double(),
    "named": Named,
    "many-layers": many_layers,
    "linear": lambda: torch.nn.Linear(7, 3),
}

OUT.mkdir(parents=True, exist_ok=True)
for seed, (name, make) in enumerate(MODELS.items()):
    torch.manual_seed(seed)
    model = make().eval()
    save_file(model.state_dict(), OUT / f"{name}.safetensors")
    inputs = next(iter(model.parameters())).shape[1]
    model = model.double()
    x = torch.randn(4, inputs).double().requires_grad_()
    outputs = model(x)
    cotangent = torch.randn(*outputs.shape).double()
    (gradient,) = torch.autograd.grad((cotangent * outputs).sum(), x)
    save_file(
        {
            "x": x.detach().float(),
            "outputs": outputs.detach(),
            "cotangent": cotangent.float(),
            "gradient": gradient,
        },
        OUT / f"{name}.expected.safetensors",
        metadata={"torch": torch.__version__},
    )
    print(name, {key: tuple(value.shape) for key, value in model.state_dict().items()})
