"""Two ways to train, each one visible loop: Adam on minibatches, and L-BFGS."""

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kanlib import _check


@dataclass(frozen=True)
class History:
    """What a training run did: the loss at every step, and how long it took (s)."""

    losses: tuple[float, ...] = field(repr=False)
    """The loss of each step, in order."""
    seconds: float = field(repr=False, compare=False)
    """Wall time; neither shown nor compared, for it differs from run to run."""

    @property
    def steps(self) -> int:
        """The number of recorded losses."""
        return len(self.losses)

    def __repr__(self) -> str:
        """First and last loss; no times, so that it is the same on every run."""
        first, last = self.losses[0], self.losses[-1]
        return f"History({self.steps} losses, {first:.2e} -> {last:.2e})"


def cosine(share: float) -> float:
    """Return (1 + cos πs)/2, a schedule for `fit`: 1 at the start, 0 at the end.

    Example:
        >>> [round(cosine(share), 2) for share in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * share)) / 2


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    penalty: Callable[[Tensor], Tensor] | None = None,
    steps: int = 1000,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    schedule: Callable[[float], float] | None = None,
    weight_decay: float = 0.0,
    generator: torch.Generator | None = None,
) -> History:
    """Minimize loss(model(x), y) + penalty(x) over minibatches with Adam, in place.

    Every pass visits all rows once, in a new order drawn from `generator`; the last
    batch of a pass may be smaller. Parameters with `requires_grad=False` stay. The
    model's train or eval mode is left as it is.

    Args:
        model: What to train.
        x: Inputs, one row each, on the model's device.
        y: Targets, as many rows.
        loss: Takes the prediction and the targets of a batch, returns a scalar.
        penalty: Takes the inputs of a batch, returns a scalar to add, such as
            `lambda batch: 1e-2 * network.penalty(batch)`.
        steps: How many batches in all.
        batch_size: Rows in a batch.
        learning_rate: Adam's step.
        schedule: Takes the share of steps done, 0 to 1, returns a factor for the
            learning rate; for instance `cosine`.
        weight_decay: Decoupled decay, per step and unit of learning rate (AdamW).
        generator: Source of the order, on the CPU.

    Returns:
        `History` with the loss of every batch, measured before its step.

    Raises:
        TypeError: "model is": not a module; "x is", "y is": not a tensor; "y has
            device": not that of x; "the loss is": not a tensor; "steps is", "batch_size
            is": not an int.
        ValueError: "x has no rows"; "y has" another number of rows; "the model has no
            parameter to train"; "the loss has shape": not a scalar; "the loss does not
            depend"; "steps must be", "batch_size must be", "learning_rate must be",
            "weight_decay must be".
        FloatingPointError: "the loss is nan at step": before that step is made.

    Notes:
        A progress bar appears only where a person watches (a terminal, or a notebook
        that is driven by hand), and only if tqdm is installed.

    Example:
        >>> line = nn.Linear(1, 1)
        >>> x = torch.linspace(-1, 1, 64).unsqueeze(1)
        >>> history = fit(line, x, 3 * x, steps=300, learning_rate=0.05)
        >>> history.steps, bool(history.losses[-1] < 1e-3)
        (300, True)
    """
    _check_data(x, y)
    _check.is_integer("fit", "steps", steps, 1)
    _check.is_integer("fit", "batch_size", batch_size, 1)
    _check.is_positive("fit", "learning_rate", learning_rate)
    _check.is_non_negative("fit", "weight_decay", weight_decay)
    started = time.perf_counter()
    parameters = _trainable("fit", model)
    optimizer = torch.optim.AdamW(parameters, learning_rate, weight_decay=weight_decay)
    losses: list[float] = []
    batches = _batches(len(x), batch_size, generator)
    for step in _watched(steps):
        rows = next(batches).to(x.device)
        value = loss(model(x[rows]), y[rows])
        if penalty is not None:
            value = value + penalty(x[rows])
        losses.append(_finite("fit", value, step))
        if schedule is not None:
            rate = learning_rate * schedule(step / steps)
            optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return History(tuple(losses), time.perf_counter() - started)


def lbfgs(
    model: nn.Module,
    loss: Callable[[], Tensor],
    steps: int = 100,
    *,
    learning_rate: float = 1.0,
    history_size: int = 50,
) -> History:
    """Minimize loss() by L-BFGS with a strong-Wolfe line search, in place.

    For smooth losses over a whole, small data set. In float64 it goes on to a loss of
    about 1e-15, in float32 it stalls near 1e-5. A trial step whose loss is NaN or
    infinite is refused by the line search.

    Args:
        model: Whose parameters to train.
        loss: Takes nothing, returns the scalar loss: `lambda: mse_loss(model(x), y)`.
        steps: At most so many iterations, each with one line search.
        learning_rate: First trial step of a line search.
        history_size: How many past steps shape the curvature.

    Returns:
        `History` with the loss before the first iteration, the lowest one evaluated in
        each iteration, and in the end the loss of the parameters as they now are.
        It has fewer than `steps` + 2 entries when nothing is left to gain.

    Raises:
        TypeError: "model is": not a module; "the loss is": not a tensor; "steps is",
            "history_size is": not an int.
        ValueError: "the model has no parameter to train"; "the loss has shape": not a
            scalar; "the loss does not depend"; "steps must be", "learning_rate must
            be", "history_size must be".
        FloatingPointError: "the loss is nan at step 0".

    Notes:
        Between 1 and 2 evaluations of loss and gradient an iteration are usual.

    Example:
        >>> line = nn.Linear(1, 1).double()
        >>> x = torch.linspace(-1, 1, 64, dtype=torch.float64).unsqueeze(1)
        >>> history = lbfgs(line, lambda: F.mse_loss(line(x), 3 * x), 20)
        >>> bool(history.losses[-1] < 1e-15)
        True
    """
    _check.is_integer("lbfgs", "steps", steps, 1)
    _check.is_integer("lbfgs", "history_size", history_size, 1)
    _check.is_positive("lbfgs", "learning_rate", learning_rate)
    started = time.perf_counter()
    parameters = _trainable("lbfgs", model)
    optimizer = torch.optim.LBFGS(
        parameters,
        lr=learning_rate,
        max_iter=steps,
        max_eval=25 * steps,
        history_size=history_size,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=min(1e-9, torch.finfo(parameters[0].dtype).eps),
    )
    lowest: dict[int, float] = {}
    state = optimizer.state[parameters[0]]

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        number = _number("lbfgs", value)
        if not lowest:
            _finite("lbfgs", value, 0)
        value.backward()
        iteration = state.get("n_iter", 0)
        if not math.isfinite(number):
            # An infinite loss is refused; without a slope the line search bisects.
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.fill_(math.nan)
            return torch.full_like(value.detach(), math.inf)
        lowest[iteration] = min(number, lowest.get(iteration, math.inf))
        return value.detach()

    optimizer.step(evaluate)
    # Not under no_grad: a loss may itself differentiate, as that of a PDE does.
    last = _finite("lbfgs", loss(), state["n_iter"])
    return History((*lowest.values(), last), time.perf_counter() - started)


def _number(owner: str, value: Tensor) -> float:
    """Return a loss as a float, or raise if it is nothing that can be minimized."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{owner}: the loss is a {type(value).__name__}; expected a scalar tensor."
        )
    if value.numel() != 1:
        raise ValueError(
            f"{owner}: the loss has shape {tuple(value.shape)}; expected a scalar. "
            "Use .mean()."
        )
    if not value.requires_grad:
        raise ValueError(
            f"{owner}: the loss does not depend on a parameter to train; expected one "
            "that is computed from the model, outside torch.no_grad()."
        )
    return float(value.detach())


def _finite(owner: str, value: Tensor, step: int) -> float:
    number = _number(owner, value)
    if not math.isfinite(number):
        raise FloatingPointError(
            f"{owner}: the loss is {number} at step {step}; expected a finite number. "
            "Check the data for NaN, or lower the learning rate."
        )
    return number


def _trainable(owner: str, model: nn.Module) -> list[nn.Parameter]:
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"{owner}: model is a {type(model).__name__}; expected an nn.Module."
        )
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError(
            f"{owner}: the model has no parameter to train; expected at least one with "
            "requires_grad=True."
        )
    return parameters


def _check_data(x: Tensor, y: Tensor) -> None:
    _check.is_tensor("fit", "x", x)
    _check.is_tensor("fit", "y", y)
    if y.device != x.device:
        raise TypeError(
            f"fit: y has device {y.device}; expected {x.device}, because x has it. "
            "Use y.to(x.device)."
        )
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(
            f"fit: x has no rows, its shape is {tuple(x.shape)}; expected at least one."
        )
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(
            f"fit: y has shape {tuple(y.shape)}; expected ({len(x)}, ...), because x "
            f"has {len(x)} rows."
        )


def _batches(
    rows: int, batch_size: int, generator: torch.Generator | None
) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(rows, generator=generator, device="cpu")
        yield from order.split(batch_size)


def _watched(steps: int) -> Iterator[int]:
    """Count the steps, with a progress bar if a person is there to see it."""
    if not (_person_present() and importlib.util.find_spec("tqdm")):
        yield from range(steps)
        return
    from tqdm import tqdm

    yield from tqdm(range(steps), leave=False)


def _person_present() -> bool:
    """Whether stderr is a terminal, or the notebook's client can answer questions.

    JupyterLab and Colab offer to type into `input()`; papermill and nbclient, which
    execute notebooks with nobody there, do not.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return sys.stderr is not None and sys.stderr.isatty()
