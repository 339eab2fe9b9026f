"""The two operations behind `groupsort`, as torch knows them.

With order(k) the place of a group's k-th largest key, equal keys in their own order:
gather has out[k] = value[order(k)], scatter out[order(k)] = value[k]. Each is the
transpose of the other. key and value are contiguous, of one shape (groups, size).
"""

import torch

_LIBRARY = torch.library.Library("kanlib", "FRAGMENT")
_LIBRARY.define("groupsort_gather(Tensor key, Tensor value) -> Tensor")
_LIBRARY.define("groupsort_scatter(Tensor key, Tensor value) -> Tensor")


@torch.library.register_fake("kanlib::groupsort_gather")
@torch.library.register_fake("kanlib::groupsort_scatter")
def _(key, value):  # type: ignore[no-untyped-def]
    return value.new_empty(value.shape)
