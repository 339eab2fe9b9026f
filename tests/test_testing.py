"""The laws must fail for bases and layers that are wrong, each for its own reason."""

import copy
import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from kanlib.bases import BSpline, Chebyshev
from kanlib.testing import BASIS_LAWS, agree, basis_laws, layer_laws


@dataclass(frozen=True)
class Powers:
    """1, x, x², x³: a right basis, from which each wrong one differs in one point."""

    size: int = 4
    domain: tuple[float, float] = (-1.0, 2.0)
    smoothness: float = math.inf

    def __call__(self, x, derivative=0):
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            raise TypeError("x is not a floating tensor")
        if derivative < 0:
            raise ValueError("derivative is negative")
        return self.values(x, derivative)

    def values(self, x, n):
        columns = []
        for k in range(self.size):
            power = x**0 + (x - x)
            for _ in range(max(k - n, 0)):
                power = power * x
            columns.append(power * math.perm(k, n))
        return torch.stack(columns, -1)


class WrongSlope(Powers):
    def values(self, x, n):
        return super().values(x, n) * (2 if n == 1 else 1)


class WrongCurvature(Powers):
    def values(self, x, n):
        return super().values(x, n) * (2 if n == 2 else 1)


class Detached(Powers):
    def values(self, x, n):
        return super().values(x.detach(), n)


class AlwaysDouble(Powers):
    def values(self, x, n):
        return super().values(x.double(), n)


class RoughInSingle(Powers):
    def values(self, x, n):
        rough = 1.01 if x.dtype == torch.float32 else 1.0
        return super().values(x, n) * rough


class SwallowsNaN(Powers):
    def values(self, x, n):
        return super().values(torch.where(x.isnan(), 0.0, x), n)


class SpreadsNaN(Powers):
    def values(self, x, n):
        bad = x.isnan().any() if x.numel() else torch.tensor(False)
        return super().values(x, n) + torch.where(bad, math.nan, 0.0).to(x.dtype)


class LooksAtNeighbors(Powers):
    def values(self, x, n):
        return super().values(x + 1e-3 * x.sum().detach(), n)


class ChangesItsInput(Powers):
    def values(self, x, n):
        if not x.requires_grad:
            x.add_(1.0)
        return super().values(x, n)


class OneTooMany(Powers):
    def values(self, x, n):
        return torch.cat([super().values(x, n), x.unsqueeze(-1)], -1)


class NeedsAnAxis(Powers):
    def values(self, x, n):
        return super().values(x, n) + 0 * len(x)


class NeedsContiguity(Powers):
    def values(self, x, n):
        return super().values(x.view(-1), n).view(*x.shape, self.size)


class BranchesOnValues(Powers):
    def values(self, x, n):
        return super().values(x if x.sum() > 0 else x * 1.0, n)


class Cube(torch.autograd.Function):
    """x³ whose forward-mode rule says 2x²."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3 * ctx.saved_tensors[0] ** 2

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 2 * ctx.saved_tensors[0] ** 2


class WrongForwardMode(Powers):
    def values(self, x, n):
        right = super().values(x, n)
        last = Cube.apply(x) if n == 0 else right[..., 3]
        return torch.cat([right[..., :3], last.unsqueeze(-1)], -1)


class TakesAnyOrder(Powers):
    def __call__(self, x, derivative=0):
        return super().__call__(x, max(derivative, 0))


class TakesIntegers(Powers):
    def __call__(self, x, derivative=0):
        return super().__call__(
            x.to(torch.promote_types(x.dtype, torch.float32)), derivative
        )


class NeverEqual(Powers):
    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


class PrintsAnother(Powers):
    def __repr__(self):
        return f"PrintsAnother(size={self.size + 1})"


class Forgets(Powers):
    """Gives another function every time, as a basis with hidden state would."""

    def values(self, x, n):
        return super().values(x, n) * torch.rand(())


PLANTED = [
    (WrongSlope(), "derivatives"),
    (WrongCurvature(), "derivatives"),
    (Detached(), "derivatives"),
    (AlwaysDouble(), "dtypes"),
    (RoughInSingle(), "dtypes"),
    (SwallowsNaN(), "nan"),
    (SpreadsNaN(), "nan"),
    (LooksAtNeighbors(), "shapes"),
    (ChangesItsInput(), "shapes"),
    (OneTooMany(), "shapes"),
    (NeedsAnAxis(), "shapes"),
    (NeedsContiguity(), "shapes"),
    (BranchesOnValues(), "transforms"),
    (WrongForwardMode(), "transforms"),
    (Forgets(), "shapes"),
    (TakesAnyOrder(), "refusals"),
    (TakesIntegers(), "refusals"),
    (NeverEqual(), "value"),
    (PrintsAnother(), "value"),
    (Powers(size=0), "attributes"),
    (Powers(domain=(-math.inf, math.inf)), "attributes"),
    (Powers(domain=(1.0, 1.0)), "attributes"),
    (Powers(smoothness=math.nan), "attributes"),
    (torch.sin, "attributes"),
]


def test_the_right_basis_obeys_every_law():
    basis_laws(Powers())


@pytest.mark.parametrize(("basis", "law"), PLANTED, ids=lambda each: str(each)[:20])
def test_a_wrong_basis_breaks_its_law(basis, law):
    with pytest.raises(AssertionError, match=f"^law {law} fails for"):
        basis_laws(basis)


@pytest.mark.parametrize(
    ("basis", "law"),
    [
        (Detached(), "gradients"),
        (Forgets(), "span"),
        (WrongSlope(), "transforms"),
    ],
)
def test_a_law_stands_alone(basis, law):
    (check,) = [each for each in BASIS_LAWS if each.__name__ == f"{law}_law"]
    with pytest.raises(AssertionError, match=f"^law {law} fails for"):
        check(basis)


def test_a_broken_law_names_the_input_and_both_values():
    with pytest.raises(AssertionError) as caught:
        basis_laws(WrongSlope())
    words = "derivative=1, function 1, at x = "
    assert words in str(caught.value)
    assert str(caught.value).endswith(": 2, not 1.")


def test_a_learned_basis_need_not_be_a_value():
    class Learned(nn.Module):
        size, domain, smoothness = 4, (-1.0, 2.0), math.inf

        def forward(self, x, derivative=0):
            return Powers()(x, derivative)

    basis_laws(Learned())


class MixesRows(nn.Linear):
    def forward(self, x):
        return super().forward(x - x.sum() / 100)


class WantsTwoAxes(nn.Linear):
    def forward(self, x):
        return super().forward(x.reshape(-1, 3))


class Idle(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 1.0 + self.bias.detach() - self.bias.detach()

    def __init__(self):
        super().__init__(3, 2)
        self.unused = nn.Parameter(torch.ones(1))


class KeepsSecrets(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
        self.secret = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return super().forward(x) * self.secret

    def state_dict(self, **options):
        everything = super().state_dict(**options)
        del everything["secret"]
        return everything

    def load_state_dict(self, state, strict=True):
        return super().load_state_dict(state, strict=False)


class SharesItsCopies(nn.Linear):
    def __deepcopy__(self, memo):
        return self


class StaysSingle(nn.Linear):
    def forward(self, x):
        return super().forward(x.to(self.weight.dtype)).float()


ROWS = torch.linspace(-1, 1, 12).reshape(4, 3)


@pytest.mark.parametrize(
    ("layer", "law"),
    [
        (MixesRows(3, 2), "batch"),
        (WantsTwoAxes(3, 2), "batch"),
        (Idle(), "gradients"),
        (KeepsSecrets(), "state"),
        (SharesItsCopies(3, 2), "state"),
        (StaysSingle(3, 2), "dtypes"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_wrong_layer_breaks_its_law(layer, law):
    with pytest.raises(AssertionError, match=f"^law {law} fails for"):
        layer_laws(layer, ROWS)


def test_layer_laws_leave_the_layer_as_it_was():
    layer = nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 2))
    before = copy.deepcopy(layer.state_dict())
    layer_laws(layer, ROWS)
    for name, kept in before.items():
        assert torch.equal(layer.state_dict()[name], kept)
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_agree_prints_the_bound_and_no_digit_of_the_difference(capsys):
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    agree(Powers(), lambda x: Chebyshev.uniform(4)(x)[..., :4] * 0 + Powers()(x), x)
    agree(torch.sin, lambda x: torch.sin(x) + 1e-7, x, atol=2e-7)
    with pytest.raises(AssertionError, match=r"is 1\.00e-07 at index"):
        agree(torch.sin, lambda x: torch.sin(x) + 1e-7, x, atol=0.9e-7)
    assert capsys.readouterr().out == (
        "agree: largest difference below 1e-12\nagree: largest difference below 2e-07\n"
    )


def test_agree_takes_several_arguments_and_mixed_dtypes(capsys):
    x, w = torch.ones(3), torch.full((3,), 2.0)
    agree(torch.mul, lambda x, w: (x * w).double(), (x, w))
    agree(torch.neg, torch.neg, torch.empty(0))
    assert capsys.readouterr().out == 2 * "agree: largest difference below 1e-12\n"


def test_agree_says_where_it_fails(capsys):
    x = torch.zeros(2, 3)
    with pytest.raises(
        AssertionError, match=r"is 5\.00e-01 at index \(1, 2\), not below"
    ):
        agree(
            lambda x: x,
            lambda x: x.index_put((torch.tensor(1), torch.tensor(2)), 0.5 + x[1, 2]),
            x,
        )
    with pytest.raises(AssertionError, match=r"naive gives \(2, 3\), library \(3,\)"):
        agree(lambda x: x, lambda x: x[0], x)
    assert capsys.readouterr().out == ""


def test_agree_treats_nan_and_infinity_as_values(capsys):
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1.0])
    agree(lambda x: x, lambda x: x.clone(), odd)
    assert capsys.readouterr().out == "agree: largest difference below 1e-12\n"
    for place in range(4):
        other = odd.clone()
        other[place] = math.inf if place != 1 else math.nan
        with pytest.raises(AssertionError, match=rf"is inf at index \({place},\)"):
            agree(lambda x: x, lambda x, y=other: y, odd)


def test_agree_accepts_splines_against_a_naive_recursion():
    def naive(x, knots, degree):
        columns = []
        for k in range(len(knots) - degree - 1):
            columns.append(cox_de_boor(x, knots, k, degree))
        return torch.stack(columns, -1)

    def cox_de_boor(x, t, k, p):
        if p == 0:
            return ((t[k] <= x) & (x < t[k + 1])).to(x.dtype)
        rise = (x - t[k]) / (t[k + p] - t[k])
        fall = (t[k + p + 1] - x) / (t[k + p + 1] - t[k + 1])
        return rise * cox_de_boor(x, t, k, p - 1) + fall * cox_de_boor(
            x, t, k + 1, p - 1
        )

    basis = BSpline.uniform(5)
    x = torch.linspace(-1.5, 1.5, 100, dtype=torch.float64)
    agree(lambda x: naive(x, basis.knots, 3), basis, x)
