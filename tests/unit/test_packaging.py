"""The wheel: everything that the product needs to run travels in it, and nothing else does."""

import json
import re
import site
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from tests.helpers.processes import free_port, start, stopping, wait_until
from tests.helpers.server import ROOT, clean_environment

pytestmark = pytest.mark.slow

TOP_LEVEL = ("templates", "static", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with the build backend that is installed."""
    directory = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)], cwd=ROOT)
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` directory of a fresh environment with the wheel, and with the dependencies that are here already."""
    environment = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = environment / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))
    # Only a path: what else .pth files here do (the editable installation of this checkout) does not apply there.
    here = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "dependencies.pth").write_text("\n".join(here) + "\n")
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)])
    return environment / "bin"


def run(command: list[str], *, cwd: Path | None = None, settings: dict[str, str] | None = None, stdin: str = "") -> str:
    """Run a command outside this checkout; returns what it printed. Raises CalledProcessError."""
    env = clean_environment(settings or {})
    env.pop("PYTHONPATH")
    done = subprocess.run(
        command, cwd=cwd, env=env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
    return done.stdout


def source_files(directory: Path) -> set[str]:
    """The files below a directory, without what running left behind."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)) for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


@pytest.mark.parametrize("directory", TOP_LEVEL)
def test_what_lies_beside_the_package_travels_inside_it(directory: str, names: set[str]) -> None:
    wanted = {f"idp/_resources/{directory}/{name}" for name in source_files(ROOT / directory)}
    assert wanted
    assert wanted <= names


def test_the_package_travels_whole(names: set[str]) -> None:
    wanted = {f"idp/{name}" for name in source_files(ROOT / "idp")}
    assert wanted <= names
    assert "idp/identity/credentials/common_passwords.txt" in names
    assert "idp/translations/de/LC_MESSAGES/messages.mo" in names


def test_nothing_else_travels(names: set[str]) -> None:
    metadata = re.compile(r"idp-[^/]+\.dist-info/")
    expected = {f"idp/{name}" for name in source_files(ROOT / "idp")}
    expected |= {f"idp/_resources/{top}/{name}" for top in TOP_LEVEL for name in source_files(ROOT / top)}
    assert [name for name in names if name not in expected and not metadata.match(name)] == []


def test_the_metadata_says_what_pyproject_says(wheel: Path, names: set[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
        [scripts] = [archive.read(name).decode() for name in names if name.endswith("/entry_points.txt")]
    assert (metadata["Name"], metadata["Version"]) == ("idp", project["version"])
    assert metadata["Requires-Python"] == project["requires-python"]
    required = {str(Requirement(line)) for line in metadata.get_all("Requires-Dist") or []}
    extras = [
        f'{line}; extra == "{name}"' for name, lines in project["optional-dependencies"].items() for line in lines
    ]
    assert required == {str(Requirement(line)) for line in (*project["dependencies"], *extras)}
    assert "idp = idp.cli:main" in scripts
    assert any("licenses/LICENSE" in name for name in names)


def test_the_installed_product_is_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import idp; from idp.core.resources import resource_dir as d; print(idp.__file__); print(d('templates'))"
    module, templates = run([str(installed / "python"), "-c", code], cwd=tmp_path).split()
    for path in (module, templates):
        assert Path(path).is_relative_to(installed.parent), path


def test_it_serves_from_an_empty_directory(installed: Path, tmp_path: Path) -> None:
    """With no settings at all but where to listen: SQLite and its keys are made in the directory."""
    port = free_port()
    settings = {"IDP_ISSUER": f"http://localhost:{port}"}
    env = clean_environment(settings)
    env.pop("PYTHONPATH")
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    process = start([str(installed / "idp"), "serve", "--port", str(port)], log, env=env, cwd=tmp_path)
    with stopping(process), httpx.Client(trust_env=False, base_url=url, follow_redirects=True) as client:
        wait_until(lambda: answers(client), process, log, "idp serve")
        assert client.get("/readyz").json()["status"] == "ready"
        page = client.get("/signin", headers={"Accept-Language": "de"})
        assert page.status_code == 200
        assert '<html lang="de"' in page.text, "the translations do not travel"
        assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert len(assets) >= 2
        for asset in assets:
            assert client.get(asset).status_code == 200, asset
    assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"log", "var", "keys"}


def answers(client: httpx.Client) -> bool:
    """True once /readyz does."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_command_line_works_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    idp = str(installed / "idp")
    settings = {"IDP_PASSWORDS__MINIMUM_LENGTH": "8"}
    assert run([idp, "--version"], cwd=tmp_path).strip()
    assert "db" in run([str(installed / "python"), "-m", "idp", "--help"], cwd=tmp_path)
    run([idp, "db", "upgrade"], cwd=tmp_path, settings=settings)
    create = [idp, "user", "create", "--email", "ann@example.com", "--password-stdin", "--json"]
    blocklist = (ROOT / "idp/identity/credentials/common_passwords.txt").read_text().split()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(create, cwd=tmp_path, settings=settings, stdin=blocklist[0] + "\n")
    assert "Traceback" not in refused.value.output
    created = run(create, cwd=tmp_path, settings=settings, stdin="a quiet river bends twice\n")
    assert json.loads(created)["id"]
