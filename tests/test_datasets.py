import errno
import gzip
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanlib import datasets
from kanlib.datasets import DatasetUnavailable
from kanlib.datasets import _files as files
from kanlib.datasets import _load as loading
from kanlib.datasets._bundled import DESCRIPTIONS
from kanlib.datasets._files import RemoteFile
from kanlib.datasets._large import LARGE, LargeSet, composition, idx

CONTENT = b"seven,hourly,series\n" * 500


# --- bundled sets ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 64), 10),
        ("breast_cancer", (569, 30), 2),
        ("wine", (178, 13), 3),
        ("diabetes", (442, 10), 1),
        ("iris", (150, 4), 3),
    ],
)
def test_bundled_set(name: str, shape: tuple[int, int], classes: int) -> None:
    data = datasets.load(name)
    assert data.x.shape == shape
    assert len(data) == len(data.y) == shape[0]
    assert data.x.dtype == torch.float32
    assert bool(data.x.isfinite().all())
    assert len(data.features) == shape[1]
    assert len(data.targets) == classes
    if classes > 1:
        assert data.y.dtype == torch.int64
        assert sorted(set(data.y.tolist())) == list(range(classes))
    assert min(map(len, (data.description, data.license, data.source))) > 5
    assert datasets.available(name)


def test_digits_are_scaled_to_one() -> None:
    x = datasets.load("digits").x
    assert (float(x.min()), float(x.max())) == (0, 1)
    assert bool((x * 16 == (x * 16).round()).all())


def test_bundled_sets_are_independent_copies() -> None:
    datasets.load("iris").x.zero_()
    assert float(datasets.load("iris").x.sum()) > 0


def test_names_lists_bundled_sets_first() -> None:
    assert datasets.names() == (*DESCRIPTIONS, *LARGE)


# --- larger sets, where they are ---------------------------------------------------

PRESENT = {
    ("mnist", "train"): ((60000, 784), (60000,)),
    ("mnist", "test"): ((10000, 784), (10000,)),
    ("fashion_mnist_900", None): ((900, 784), (900,)),
    ("etth1", None): ((17420, 7), (17420,)),
    ("etth2", None): ((17420, 7), (17420,)),
    ("darcy", None): ((1000, 16, 16), (1000, 16, 16)),
    ("darcy", "test_16"): ((50, 16, 16), (50, 16, 16)),
    ("darcy", "test_32"): ((50, 32, 32), (50, 32, 32)),
    ("mpea_alloys", None): ((1545, 30), (1545, 6)),
}


def loaded(name: str, split: str | None = None) -> datasets.Dataset:
    if not os.environ.get("KANLIB_DATA"):
        pytest.skip("KANLIB_DATA is not set: larger data sets are optional")
    if not datasets.available(name):
        pytest.skip(f"{name} is not in KANLIB_DATA")
    return datasets.load(name, split=split)


@pytest.mark.parametrize(("name", "split"), PRESENT)
def test_present_set(name: str, split: str | None) -> None:
    data = loaded(name, split)
    assert (tuple(data.x.shape), tuple(data.y.shape)) == PRESENT[name, split]
    assert data.x.dtype == torch.float32
    assert bool(data.x.isfinite().all())
    assert len(data.features) in (0, data.x.shape[1])


def test_every_set_is_among_those_looked_for() -> None:
    assert {name for name, _ in PRESENT} == set(LARGE)


def test_mnist_is_in_the_original_order() -> None:
    data = loaded("mnist")
    assert data.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.y.bincount()[:3].tolist() == [5923, 6742, 5958]
    assert (float(data.x.min()), float(data.x.max())) == (0, 1)


def test_alloys_are_mole_fractions_and_measurements() -> None:
    data = loaded("mpea_alloys")
    assert data.x.sum(1).tolist() == pytest.approx([1.0] * 1545, abs=1e-6)
    assert data.y[:, 0].long().bincount().tolist() == [468, 265, 812]
    strength = data.y[:, data.targets.index("yield strength (MPa)")]
    assert int(strength.isfinite().sum()) == 1067


def test_ett_predicts_the_oil_temperature() -> None:
    data = loaded("etth1")
    assert data.features[-1] == "OT"
    assert torch.equal(data.y, data.x[:, -1])
    assert data.x[0].tolist() == pytest.approx(
        [5.827, 2.009, 1.599, 0.462, 4.203, 1.34, 30.531]
    )


# --- parsers -----------------------------------------------------------------------


def test_idx_reads_header_and_values() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    header = bytes([0, 0, 8, 3]) + np.array([2, 3, 2], ">i4").tobytes()
    np.testing.assert_array_equal(idx(header + values.tobytes()), values)


def test_composition_sums_to_one_and_adds_repeated_elements() -> None:
    assert composition("Al0.5 Co Ni0.5") == {"Al": 0.25, "Co": 0.5, "Ni": 0.25}
    assert composition("Fe1 C0.5 Fe0.5") == {"Fe": 0.75, "C": 0.25}


def test_npz_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    from kanlib.datasets._large import npz

    path = tmp_path / "evil.npz"
    np.savez(path, images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        npz(path.read_bytes())["images"]


# --- files: found, damaged, downloaded ---------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Serves what the test's server was given; /cut breaks off half way."""

    def do_GET(self) -> None:
        body = self.server.bodies.get(self.path)  # type: ignore[attr-defined]
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.path.startswith("/cut")
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    packed = gzip.compress(CONTENT)
    server.bodies = {
        "/good.csv": CONTENT,
        "/good.csv.gz": packed,
        "/wrong.csv": CONTENT[:-1] + b"!",
        "/long.csv.gz": gzip.compress(CONTENT * 1000),
        "/broken.csv.gz": packed[:-20],
        "/page.csv.gz": b"<html>not found</html>",
        "/cut.csv": CONTENT,
    }
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KANLIB_DATA", str(tmp_path))
    return tmp_path


def remote(url: str | None, name: str | None = None) -> RemoteFile:
    name = name or (url or "good.csv").rpartition("/")[2]
    digest = hashlib.sha256(CONTENT).hexdigest()
    return RemoteFile(f"toy/{name}", len(CONTENT), digest, url)


@pytest.fixture
def toy(server: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data set "toy" of one file, at a path of the server that the test picks."""

    def put(path: str | None, where: str = "") -> None:
        url = None if path is None else server.url + path
        large = LargeSet(
            splits={"all": (remote(url),)},
            parse=lambda split, contents: (
                torch.tensor([float(len(contents[0]))]),
                torch.tensor([0.0]),
                (),
                (),
            ),
            description="toy",
            license="none",
            source="here",
            where=where,
        )
        monkeypatch.setitem(loading.LARGE, "toy", large)

    return put


def tree(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", ["good.csv", "good.csv.gz"])
def test_fetched_set_loads_and_is_fetched_once(
    name: str, toy: Any, server: Any, place: Path
) -> None:
    toy(f"/{name}")
    assert not datasets.available("toy")
    assert datasets.fetch("toy") == place / "toy"
    assert tree(place) == [name]
    assert datasets.available("toy")
    data = datasets.load("toy")
    assert data.x.tolist() == [len(CONTENT)]
    assert repr(data) == "Dataset('toy', x: (1,) float32, y: (1,) float32)"
    datasets.fetch("toy")
    assert server.asked == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong.csv", "10000 bytes with sha256 .* so that it is damaged or another"),
        ("long.csv.gz", "has 10001 bytes with sha256"),
        ("broken.csv.gz", "sha256 none: Compressed file ended"),
        ("page.csv.gz", "sha256 none: Not a gzipped file"),
        ("absent.csv", "404"),
        ("cut.csv", "could not be stored"),
    ],
)
def test_failed_download_leaves_nothing(
    name: str, message: str, toy: Any, place: Path
) -> None:
    toy(f"/{name}")
    with pytest.raises(DatasetUnavailable, match=message) as caught:
        datasets.fetch("toy")
    assert caught.value.name == "toy"
    assert tree(place) == []
    with pytest.raises(DatasetUnavailable, match="there is no file"):
        datasets.load("toy")


def test_failed_download_keeps_the_file_that_was_there(toy: Any, place: Path) -> None:
    toy("/wrong.csv")
    (place / "toy").mkdir()
    (place / "toy" / "wrong.csv").write_bytes(b"mine")
    with pytest.raises(DatasetUnavailable, match="another file"):
        datasets.fetch("toy")
    assert (place / "toy" / "wrong.csv").read_bytes() == b"mine"


def test_damaged_file_is_not_opened_and_is_fetched_again(toy: Any, place: Path) -> None:
    toy("/good.csv")
    datasets.fetch("toy")
    path = place / "toy" / "good.csv"
    path.write_bytes(CONTENT[:100])
    with pytest.raises(
        DatasetUnavailable, match=r"good\.csv has 100 bytes .* Delete it"
    ):
        datasets.load("toy")
    datasets.fetch("toy")
    assert path.read_bytes() == CONTENT


def test_unreachable_server_is_named(
    place: Path, toy: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy("/good.csv")
    server.shutdown()
    server.server_close()
    with pytest.raises(DatasetUnavailable, match=f"{server.url}/good.csv could not be"):
        datasets.fetch("toy")
    assert tree(place) == []


def test_full_disk_leaves_nothing(
    toy: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy("/good.csv")
    real = tempfile.NamedTemporaryFile

    def full(*args: Any, **kwargs: Any) -> Any:
        file = real(*args, **kwargs)

        def write(data: bytes) -> int:
            file.file.write(data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        file.write = write
        return file

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", full)
    with pytest.raises(DatasetUnavailable, match="No space left on device"):
        datasets.fetch("toy")
    assert tree(place) == []


def test_folder_that_is_a_file_is_named(toy: Any, place: Path) -> None:
    toy("/good.csv")
    (place / "toy").write_text("in the way")
    with pytest.raises(DatasetUnavailable, match="could not be stored"):
        datasets.fetch("toy")
    with pytest.raises(DatasetUnavailable, match="cannot be read"):
        datasets.load("toy")
    assert tree(place) == ["toy"]


def test_set_without_address_says_where_it_comes_from(toy: Any) -> None:
    toy(None, where="Ask its author")
    for get in (datasets.load, datasets.fetch):
        with pytest.raises(DatasetUnavailable, match=r"Ask its author\. Put it there"):
            get("toy")


def test_missing_set_names_the_command_that_fetches_it(place: Path) -> None:
    with pytest.raises(DatasetUnavailable, match=r"datasets\.fetch\('mnist'\)"):
        datasets.load("mnist")
    assert not datasets.available("mnist")


def test_without_the_variable_the_cache_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KANLIB_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / name)
    assert files.folder("mnist") == tmp_path / "kanlib"


def test_the_variable_may_name_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KANLIB_DATA", "~/sets")
    assert files.folder("mnist") == tmp_path / "sets"


@pytest.mark.parametrize(
    ("module", "name"), [("sklearn", "digits"), ("pooch", "mnist")]
)
def test_missing_extra_is_named(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KANLIB_DATA", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DatasetUnavailable, match=r'pip install "kanlib\[data\]"'):
        datasets.load(name)


def test_large_sets_are_well_formed() -> None:
    for large in LARGE.values():
        for file in large.files:
            assert len(file.sha256) == 64
            assert file.size > 0
            assert file.url is None or file.url.startswith("https://")
            assert bool(file.url) != bool(large.where)


# --- bad input ---------------------------------------------------------------------


@pytest.mark.parametrize("function", ["load", "fetch", "available"])
def test_unknown_name_lists_the_known_ones(function: str) -> None:
    with pytest.raises(
        ValueError, match=f"datasets.{function}: name is 'mnits'; .*'digits'.*'mnist'"
    ):
        getattr(datasets, function)("mnits")


def test_unknown_split_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"split of mnist is 'val'; .*'train', 'test'"):
        datasets.load("mnist", split="val")
    with pytest.raises(ValueError, match=r"split of digits is 'train'; .*None"):
        datasets.load("digits", split="train")


def test_bundled_set_is_not_fetched() -> None:
    with pytest.raises(ValueError, match="digits is bundled; expected one of mnist"):
        datasets.fetch("digits")


def test_file_without_address_is_not_downloaded(place: Path) -> None:
    with pytest.raises(ValueError, match=r"no public address of toy/good\.csv"):
        files.download("toy", remote(None))


# --- synthetic data ----------------------------------------------------------------


def test_sample_function_fills_the_box_reproducibly() -> None:
    def sample() -> tuple[torch.Tensor, torch.Tensor]:
        return datasets.sample_function(
            lambda x: x.sum(-1),
            1000,
            [(-1, 1), (5, 5.5)],
            dtype=torch.float64,
            generator=torch.Generator().manual_seed(3),
        )

    (x, y), (again, _) = sample(), sample()
    assert torch.equal(x, again)
    assert (x.dtype, tuple(x.shape), tuple(y.shape)) == (
        torch.float64,
        (1000, 2),
        (1000, 1),
    )
    lows, highs = x.min(0).values, x.max(0).values
    assert -1 <= float(lows[0]) < -0.95 < 0.95 < float(highs[0]) <= 1
    assert 5 <= float(lows[1]) < 5.05 < 5.45 < float(highs[1]) <= 5.5
    assert torch.equal(y[:, 0], x.sum(-1))


def test_sample_function_keeps_several_outputs() -> None:
    _, y = datasets.sample_function(lambda x: torch.cat([x, -x], 1), 4, [(0, 1)])
    assert tuple(y.shape) == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"points": 0}, ValueError, "points must be at least 1"),
        ({"points": 2.0}, TypeError, "points is a float"),
        ({"domain": []}, ValueError, "domain is empty"),
        ({"domain": [(1, 1)]}, ValueError, "domain must be two finite numbers"),
        ({"domain": [(0, float("inf"))]}, ValueError, "domain must be two finite"),
        ({"domain": (0, 1)}, TypeError, "domain is 0; expected a sequence of numbers"),
        ({"domain": 3.0}, TypeError, "domain is a float; expected one interval per"),
        ({"dtype": torch.int64}, TypeError, "dtype is torch.int64; expected a float"),
        ({"function": lambda x: 3}, TypeError, r"function\(x\) is a int; expected"),
        ({"function": lambda x: x.sum()}, ValueError, r"function\(x\) has shape \(\)"),
        (
            {"function": lambda x: x[:1]},
            ValueError,
            r"function\(x\) has shape \(1, 1\)",
        ),
    ],
)
def test_bad_sample(arguments: dict, error: type, message: str) -> None:
    plain = {"function": lambda x: x, "points": 4, "domain": [(0, 1)]}
    with pytest.raises(error, match=f"sample_function: {message}"):
        datasets.sample_function(**{**plain, **arguments})
