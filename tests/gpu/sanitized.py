"""One ragged call of every operation on the device, for compute-sanitizer to watch."""

import torch

from kanlib.ops import group_rational, spline_sum


def main() -> None:
    rng = torch.Generator("cuda").manual_seed(0)

    def draw(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        made = torch.randn(shape, generator=rng, device="cuda")
        return made.to(dtype).requires_grad_()

    for dtype in (torch.float32, torch.bfloat16):
        for form in ("A", "B"):
            x = draw(129, 8 * 12, dtype=dtype)
            y = group_rational(x, draw(1, 6), draw(8, 4), form=form, backend="cuda")
            y.float().sum().backward()
    knots = torch.arange(-4.0, 13.0, device="cuda")
    for outputs in (5, 8):
        c, w = draw(outputs, 7, 13), draw(outputs, 7)
        spline_sum(draw(67, 7), c, w, knots, 3, backend="cuda").sum().backward()
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
