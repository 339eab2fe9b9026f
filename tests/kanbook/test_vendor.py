import importlib.metadata
import io
import subprocess
import tarfile

import pytest
from kanbook import vendor


def test_committed_files_are_what_the_list_says():
    assert vendor.differences(vendor.FOLDER, vendor.read_sums()) == []
    assert vendor.main(["--check"]) == 0


def test_every_package_is_named_with_its_license():
    text = (vendor.FOLDER / "LICENSES.txt").read_text()
    for package in vendor.PACKAGES:
        assert package in text


def test_vendored_anywidget_fits_the_installed_one():
    (package,) = (name for name in vendor.PACKAGES if name.startswith("anywidget@"))
    assert package == f"anywidget@{importlib.metadata.version('anywidget')}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small vendor folder and an npm that delivers one package for it."""
    folder = tmp_path / "vendor"
    (folder / "licenses").mkdir(parents=True)
    (folder / "require.js").write_text("old")
    for name in vendor.OWN_FILES | vendor.TYPED_LICENSES:
        (folder / name).write_text("ours")

    def npm(command, *, cwd, **_):
        assert command[:2] == ["npm", "pack"]
        with tarfile.open(f"{cwd}/p.tgz", "w:gz") as bundle:
            for name in ("package/require.js", "package/bin/require.js"):
                content = f"new {name}".encode()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                bundle.addfile(member, io.BytesIO(content))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(vendor, "FOLDER", folder)
    monkeypatch.setattr(vendor, "PACKAGES", {"p@1": {"require.js": "require.js"}})
    monkeypatch.setattr(subprocess, "run", npm)
    return folder


def test_a_new_version_is_taken_only_when_accepted(folder, capsys):
    sums = {name: vendor.sha256(folder / name) for name in vendor.TYPED_LICENSES}
    sums["require.js"] = vendor.sha256(folder / "require.js")
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (folder / vendor.SUMS).write_text("".join(lines))
    assert vendor.main([]) == 1
    assert "require.js has another SHA-256" in capsys.readouterr().err
    assert (folder / "require.js").read_text() == "old"
    assert vendor.main(["--accept"]) == 0
    assert (folder / "require.js").read_text() == "new package/require.js"
    assert vendor.differences(folder, vendor.read_sums(folder)) == []
    assert (folder / "widgets-config.js").read_text() == "ours"


def test_missing_and_unlisted_files_are_named(folder):
    (folder / vendor.SUMS).write_text("0" * 64 + "  gone.js\n")
    found = vendor.differences(folder, vendor.read_sums(folder))
    assert "gone.js is missing" in found
    assert "require.js is not listed in SHA256SUMS" in found


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("npm"), subprocess.CalledProcessError(1, ["npm", "pack"])],
)
def test_without_npm_nothing_is_replaced(folder, monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert vendor.main(["--accept"]) == 1
    assert "npm delivered nothing" in capsys.readouterr().err
    assert (folder / "require.js").read_text() == "old"
