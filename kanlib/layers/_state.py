"""Knots as a part of a layer's state."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kanlib.bases import Basis, BSpline
from kanlib.layers._arguments import check_basis, functions_of


class StoresKnots(nn.Module):
    """A module with a `basis` whose B-spline knots travel in the state dictionary.

    The basis is a plain value, so its knots are neither parameter nor buffer: they are
    written as a float64 tensor under `knots` and read back into a new value. Thus
    `.to(float32)` cannot round them.
    """

    basis: Basis
    in_features: int
    share: str
    groups: int

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if isinstance(self.basis, BSpline):
            # From NumPy: a default device, meta for one, has no part in it.
            knots = torch.from_numpy(np.array(self.basis.knots, dtype=np.float64))
            destination[prefix + "knots"] = knots

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if isinstance(self.basis, BSpline):
            # Taken out, so that the parent does not report it as unexpected.
            knots = state_dict.pop(prefix + "knots", None)
            if knots is None:
                missing_keys.append(prefix + "knots")
            else:
                self._load_knots(knots, prefix, error_msgs)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def _load_knots(self, knots: Tensor, prefix: str, error_msgs: list[str]) -> None:
        assert isinstance(self.basis, BSpline)
        per_row = self.basis.size + self.basis.degree + 1
        allowed = [(per_row,), (self.in_features, per_row)]
        if tuple(knots.shape) not in allowed:
            error_msgs.append(
                f"KANLayer: {prefix}knots has shape {tuple(knots.shape)}; expected "
                f"{allowed[0]} or {allowed[1]}, because degree={self.basis.degree} "
                f"and each edge has {self.basis.size} coefficients."
            )
            return
        try:
            basis = BSpline(knots.double(), self.basis.degree)
            functions = functions_of(self.share, self.in_features, self.groups)
            check_basis(basis, self.in_features, functions)
        except ValueError as error:
            error_msgs.append(f"{prefix}knots: {error}")
        else:
            self.basis = basis
