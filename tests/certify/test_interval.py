"""Interval bounds: exact where they must be, errors that name the part, margins."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kanlib.bases import BSpline, Chebyshev
from kanlib.certify import certified_accuracy, interval_bounds, interval_margins
from kanlib.layers import KAN, Householder, KANLayer, ResidualTower

MODES = ["nearest", "outward"]


def normal(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def seeded(module, seed=0, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, scale, generator=generator)
    return module.to(dtype).eval()


def small(dtype=torch.float64):
    return seeded(
        nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)), dtype=dtype
    )


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(5, 3), (2, 5)),
        (nn.Linear(5, 3), (5,)),
        (nn.Linear(5, 3), (2, 3, 5)),
        (nn.Conv1d(2, 4, 3, padding=1, groups=2), (2, 2, 6)),
        (nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=2), (2, 2, 7, 6)),
        (nn.Conv2d(2, 4, 3, padding="same"), (2, 5, 5)),
        (nn.AvgPool2d(2, 1, padding=1), (1, 2, 5, 5)),
        (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), (1, 2, 5, 5)),
        (nn.AdaptiveAvgPool2d(3), (1, 2, 5, 5)),
        (nn.BatchNorm2d(2), (3, 2, 4, 4)),
    ],
)
def test_one_affine_layer_is_exact(module, shape):
    module = seeded(module)
    x, r = normal(*shape), normal(*shape, seed=1).abs()
    lower, upper = interval_bounds(module, x - r, x + r)
    # The smallest box: for each output, the corner that its own gradient names.
    matrix = torch.func.jacrev(module)(x)
    reach = (matrix.abs() * r).flatten(-len(shape)).sum(-1)
    torch.testing.assert_close(lower, module(x) - reach)
    torch.testing.assert_close(upper, module(x) + reach)


@pytest.mark.parametrize("mode", MODES)
def test_radius_0_gives_the_value(mode):
    module, x = small(), normal(10, 3)
    lower, upper = interval_bounds(module, x, x, rounding=mode)
    torch.testing.assert_close(lower, module(x))
    torch.testing.assert_close(upper, module(x))
    assert (lower <= upper).all()


@given(seed=st.integers(0, 10**6), eps=st.floats(0, 3), more=st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_larger_boxes_have_larger_bounds(seed, eps, more):
    module = nn.Sequential(
        nn.Linear(3, 6), nn.GELU(), KANLayer(6, 2, BSpline.uniform(4))
    )
    module, x = seeded(module, seed), normal(4, 3, seed=seed)
    inner = interval_bounds(module, x - eps, x + eps)
    outer = interval_bounds(module, x - eps - more, x + eps + more)
    assert (outer[0] <= inner[0] + 1e-9).all()
    assert (outer[1] >= inner[1] - 1e-9).all()


def test_gradients_are_those_of_differences():
    layers = [nn.Linear(3, 4), nn.SiLU(), KANLayer(4, 4, BSpline.uniform(3)), Turn()]
    module = seeded(nn.Sequential(*layers, Householder(4)), scale=0.7)
    x = normal(2, 3)

    def total(*values):
        names = dict(zip(dict(module.named_parameters()), values, strict=True))
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(names[name])
        lower, upper = interval_bounds(module, x - 0.3, x + 0.2)
        return float((lower * 0.3 + upper * 1.7).detach().sum())

    lower, upper = interval_bounds(module, x - 0.3, x + 0.2)
    parameters = list(module.parameters())
    gradients = torch.autograd.grad((lower * 0.3 + upper * 1.7).sum(), parameters)
    start = [p.detach().clone() for p in parameters]
    way = [normal(*p.shape, seed=i) for i, p in enumerate(parameters)]
    step = 1e-6
    ahead = total(*(p + step * v for p, v in zip(start, way, strict=True)))
    back = total(*(p - step * v for p, v in zip(start, way, strict=True)))
    slope = sum(
        float((g * v).detach().sum()) for g, v in zip(gradients, way, strict=True)
    )
    assert slope == pytest.approx((ahead - back) / (2 * step), rel=1e-5)


class Turn(nn.Module):
    def forward(self, x):
        return torch.cat([x[:, 1:], x[:, :1]], 1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.register_buffer("gain", torch.tensor([2.0, -1.0]).view(2, 1, 1))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        y += x
        y = F.avg_pool2d(y * self.gain - 0.5, 2)
        y = torch.cat([y, torch.sin(y)], dim=1).mean(dim=-1)
        return self.head(y.flatten(1).view(x.size(0), -1) / 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_forward_of_its_own_is_traced(mode):
    module, x = seeded(Block(), scale=0.5), normal(3, 2, 4, 4)
    lower, upper = interval_bounds(module, x - 0.1, x + 0.1, rounding=mode)
    part = torch.rand(200, *x.shape, generator=torch.Generator().manual_seed(0))
    y = module((x - 0.1 + 0.2 * part.double()).flatten(0, 1)).unflatten(0, (200, 3))
    assert (y >= lower).all()
    assert (y <= upper).all()
    assert (upper - lower).mean() < 8 * (y.amax(0) - y.amin(0)).mean()


class Overwritten(nn.Module):
    """relu_(x) before x is read again: its value is not what it was."""

    def __init__(self, way):
        super().__init__()
        self.way, self.relu = way, nn.Sequential(nn.ReLU(inplace=True), nn.Tanh())

    def forward(self, x):
        z = x.flatten(1)
        if self.way == "module":
            y = self.relu(z)
        elif self.way == "function":
            y = F.relu(z, inplace=True)
        elif self.way == "method":
            y = z.relu_()
        else:
            y = z
            y += 1
        return x + y


@pytest.mark.parametrize("way", ["module", "function", "method", "operator"])
def test_a_tensor_read_after_it_was_overwritten_is_refused(way):
    x = normal(2, 3)
    with pytest.raises(NotImplementedError, match=r"overwritten.*inplace=False"):
        interval_bounds(Overwritten(way), x, x)


def test_in_place_in_a_row_is_welcome():
    x = normal(2, 3)
    plain, inplace = (nn.Sequential(nn.Linear(3, 3), nn.ReLU(f)) for f in (False, True))
    plain, inplace = seeded(plain), seeded(inplace)
    for a, b in zip(
        *(interval_bounds(m, x - 1, x) for m in (plain, inplace)), strict=True
    ):
        assert torch.equal(a, b)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn(3)


class Tall(nn.Linear):
    def forward(self, x):
        return torch.exp(super().forward(x))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Sequential(nn.Softmax(-1))), r"0\.0 \(Softmax\)"),
        (nn.MultiheadAttention(3, 1), "MultiheadAttention"),
        (nn.LayerNorm(3), "LayerNorm"),
        (Branching(), "Branching.*cannot trace"),
        (Noisy(), "random"),
        (Tall(3, 3), "Tall"),
        (KAN([3, 2], Chebyshev.uniform(4)), r"layers\.0 \(KANLayer\).*Chebyshev"),
        (KANLayer(3, 2, BSpline.uniform(3, 4)), "degree"),
        (KANLayer(3, 2, BSpline.uniform(3), base=torch.sin), "base=sin"),
        (nn.Conv2d(3, 3, 1, padding_mode="circular"), "padding_mode"),
        (ResidualTower([nn.Linear(3, 3), nn.Softmax(-1)]), r"blocks\.1 \(Softmax\)"),
    ],
)
def test_the_first_part_without_a_rule_is_named(module, words):
    x = torch.zeros(2, 3)
    with pytest.raises(NotImplementedError, match=words):
        interval_bounds(module.eval(), x, x)


def test_a_replaced_forward_is_refused():
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    module[1].forward = lambda x: -x
    with pytest.raises(NotImplementedError, match=r"ReLU\).*replaced forward"):
        interval_bounds(module, torch.zeros(3), torch.ones(3))


def test_hooks_are_refused():
    module, x = nn.Sequential(nn.Linear(3, 3)), torch.zeros(2, 3)
    module[0].register_forward_hook(lambda *_: torch.ones(2, 3))
    with pytest.raises(NotImplementedError, match="forward hook"):
        interval_bounds(module, x, x)


@pytest.mark.parametrize("module", [nn.BatchNorm1d(3), nn.Dropout()])
def test_training_mode_is_refused(module):
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"training mode.*eval"):
        interval_bounds(module.train(), x, x)


def test_bad_arguments_say_what_was_expected():
    f, x = small(torch.float32), torch.zeros(2, 3)
    nan = x.clone()
    nan[0, 1] = torch.nan
    for lower, upper, error, words in (
        (x + 1, x, ValueError, "lower exceeds upper in 6 entries"),
        (nan, x, ValueError, "lower has 1 entries that are NaN"),
        (x, x + torch.inf, ValueError, "upper has 6 entries"),
        (x, x[:1], ValueError, "upper has shape"),
        (x.int(), x, TypeError, "lower has dtype"),
        (x, x.double(), TypeError, "upper has dtype"),
        (x[:, :2], x[:, :2], ValueError, r"0 \(Linear\): x has shape \(2, 2\)"),
    ):
        with pytest.raises(error, match=words):
            interval_bounds(f, lower, upper)
    with pytest.raises(TypeError, match="module is a builtin"):
        interval_bounds(torch.relu, x, x)
    with pytest.raises(ValueError, match="rounding is 'up'"):
        interval_bounds(f, x, x, rounding="up")
    with pytest.raises(TypeError, match="expected float32 or float64"):
        interval_bounds(f, x.half(), x.half(), rounding="outward")
    with pytest.raises(ValueError, match=r"Conv2d.*in_channels=3"):
        interval_bounds(nn.Conv2d(3, 1, 1), x, x)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e38])
def test_weights_beyond_numbers_are_an_error_or_a_bound(mode, value):
    f, x = small(torch.float32), torch.zeros(2, 3)
    with torch.no_grad():
        f[0].weight[:] = value
    with pytest.raises(ValueError, match=r"NaN|may reach"):
        interval_bounds(f, x - 9, x + 9, rounding=mode)


def test_zero_weights_and_empty_batches():
    f = small()
    with torch.no_grad():
        f[0].weight.zero_()
    x = normal(2, 3)
    lower, upper = interval_bounds(f, x - 1e6, x + 1e6)
    torch.testing.assert_close(lower, f(x))
    assert torch.equal(lower, upper)
    for mode in MODES:
        for module in (f, seeded(KAN([3, 4], BSpline.uniform(3)))):
            lower, upper = interval_bounds(module, x[:0], x[:0], rounding=mode)
            assert lower.shape == upper.shape == (0, 4)


@pytest.mark.parametrize("mode", MODES)
def test_margins_elide_the_last_layer_and_hold(mode):
    f, x = small(), normal(6, 3)
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    m = interval_margins(f, x, y, 0.2, rounding=mode)
    lower, upper = interval_bounds(f, x - 0.2, x + 0.2, rounding=mode)
    rows = torch.arange(6)
    others = F.one_hot(y, 4) == 0
    plain = lower[rows, y][:, None] - upper
    assert (m > plain)[others].all()
    assert (m[~others] == 0).all()
    part = torch.rand(500, 6, 3, generator=torch.Generator().manual_seed(1)).double()
    z = f(x - 0.2 + 0.4 * part)
    gaps = z.gather(-1, y.expand(500, 6)[..., None]) - z
    assert (gaps >= m)[:, others].all()
    # A head that is not linear has nothing to elide.
    g = nn.Sequential(f, nn.Identity(), nn.Tanh())
    lower, upper = interval_bounds(g, x - 0.2, x + 0.2)
    m = interval_margins(g, x, y, 0.2)
    torch.testing.assert_close(m[others], (lower[rows, y][:, None] - upper)[others])


class Headed(nn.Module):
    def __init__(self, body, head):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x):
        return self.head(self.body(x))


def test_margins_find_the_last_layer_behind_a_forward():
    f, x, y = small(), normal(5, 3), torch.tensor([3, 2, 1, 0, 3])
    expected = interval_margins(f, x, y, 0.3)
    found = interval_margins(Headed(f[:2], f[2]), x, y, 0.3)
    torch.testing.assert_close(found, expected)


def test_clip_keeps_the_ball_inside():
    f, x = small(), normal(4, 3).sigmoid()
    y = torch.zeros(4, dtype=torch.int64)
    m = interval_margins(f, x, y, 0.9, clip=(0.0, 1.0))
    assert (m >= interval_margins(f, x, y, 0.9)).all()
    with pytest.raises(ValueError, match="outside clip"):
        interval_margins(f, x + 1, y, 0.1, clip=(0.0, 1.0))


@pytest.mark.parametrize("mode", MODES)
def test_certified_accuracy_counts_margins(mode):
    f, x = small(), normal(50, 3)
    y = f(x).argmax(1)
    shares = [certified_accuracy(f, x, y, eps, rounding=mode) for eps in (0, 0.05, 0.5)]
    assert shares[0] == 1.0
    assert shares[0] >= shares[1] >= shares[2]
    assert 0 < shares[1] < 1
    assert certified_accuracy(f, x, (y + 1) % 4, 0.0) == 0.0


def test_margins_check_their_arguments():
    f, x, y = small(), normal(2, 3), torch.tensor([0, 1])
    for a, b, eps, error, words in (
        (x, y.int(), 0.1, TypeError, "y has dtype"),
        (x, y[:1], 0.1, ValueError, "y has shape"),
        (x, y + 3, 0.1, ValueError, "y has the class 4"),
        (x, y - 1, 0.1, ValueError, "y has the class -1"),
        (x, y, -0.1, ValueError, "eps must be"),
    ):
        with pytest.raises(error, match=words):
            interval_margins(f, a, b, eps)
    with pytest.raises(ValueError, match="at least one row"):
        certified_accuracy(f, x[:0], y[:0], 0.1)
    with pytest.raises(ValueError, match="rounding is"):
        certified_accuracy(f, x, y, 0.1, rounding="inward")
