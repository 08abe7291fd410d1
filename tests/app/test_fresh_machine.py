"""What a stranger's machine relies on, as far as it can be seen without one."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from app.install import environment

PROJECT = Path(__file__).parents[2]
LOCKS = sorted(PROJECT.glob("requirements*.txt"))
# Put together here, so that this file does not name them either.
REGISTRIES = [
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("yarnpkg", "com"))
]


def locked(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def say(*command: str) -> str:
    # Not as a part of the `make test` that may be running us.
    env = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON", "ARGS"}
    }
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=True).stdout


def tracked_files() -> list[Path]:
    try:
        names = say("git", "ls-files", "-z").split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a clone")
    return [PROJECT / name for name in names if name and (PROJECT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_hashes(lock: Path) -> None:
    packages = re.split(r"\n(?=\S)", lock.read_text())

    assert [package for package in packages if not package.startswith("#") and "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_know_no_index(lock: Path) -> None:
    assert re.search(r"--(index|extra-index|find-links|trusted-host)|://", lock.read_text()) is None


def test_the_lock_covers_what_the_project_asks_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = {name: project["optional-dependencies"][name] for name in ("embedded", "anthropic", "google", "dev")}
    names = {
        re.split(r"[\[<>=~! ]", line)[0] for lines in (project["dependencies"], *wanted.values()) for line in lines
    }

    assert names - locked(PROJECT / "requirements-dev.txt").keys() == set()


def test_tests_run_on_what_is_served() -> None:
    runtime, dev = locked(PROJECT / "requirements.txt"), locked(PROJECT / "requirements-dev.txt")

    assert {name: dev.get(name) for name in runtime} == runtime


def test_nothing_has_to_be_compiled() -> None:
    assert {"llm", "llama-cpp-python"} & locked(PROJECT / "requirements-dev.txt").keys() == set()


def test_no_registry_is_named_anywhere() -> None:
    naming = [
        str(file.relative_to(PROJECT))
        for file in tracked_files()
        if any(registry.encode() in file.read_bytes() for registry in REGISTRIES)
    ]

    assert naming == []


def test_the_pages_are_locked_without_addresses() -> None:
    packages = json.loads((PROJECT / "web" / "package-lock.json").read_text())["packages"]

    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_two_commands_are_all() -> None:
    # Read, not run: a dry run of the command that runs this test is one mistake away from running it for ever.
    makefile = (PROJECT / "Makefile").read_text()

    assert re.search(r"^run: setup .*\n\t@exec \$\(VENV\)/palaver serve", makefile, re.MULTILINE)
    assert re.search(r"^test: setup-dev .*\n\t@.*\(\$\(CHECK\)\)(.*\\\n)*.*-m pytest", makefile, re.MULTILINE)


def test_ci_runs_the_tests_as_anybody_would() -> None:
    ci = PROJECT / ".ci" / "run"

    say("bash", "-n", str(ci))
    assert os.access(ci, os.X_OK)
    assert "make test" in ci.read_text()


def test_installs_with_a_bare_python() -> None:
    """It stands before every dependency, so it must be able to start without one."""
    assert "--dev" in say(sys.executable, "-S", "-m", "app.install", "--help")


def test_uv_hears_what_pip_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PYTHON", Path(sys.executable))
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_CERT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels /more-wheels")
    monkeypatch.setenv("PIP_CERT", "/company.pem")

    settings = environment.uv_settings()

    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert settings["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert settings["UV_FIND_LINKS"] == "/wheels,/more-wheels"
    assert settings["SSL_CERT_FILE"] == "/company.pem"


def test_what_uv_was_told_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")

    assert environment.uv_settings()["UV_DEFAULT_INDEX"] == "https://uv.example/simple"


def test_the_image_runs_as_nobody_special() -> None:
    stages = (PROJECT / "Dockerfile").read_text().split("\nFROM ")

    assert re.search(r"^USER 10001:10001$", stages[-1], re.MULTILINE)
    assert "HEALTHCHECK" in stages[-1]


def test_the_image_gets_every_part_of_the_platform() -> None:
    """.dockerignore lets in by name, so a new folder has to be named."""
    let_in = re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(), re.MULTILINE)
    parts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]

    assert {f"{name}.py" for name in parts["py-modules"]} == {file.name for file in PROJECT.glob("*.py")}
    assert "*.py" in let_in
    assert {name.removesuffix("*") for name in parts["packages"]["find"]["include"]} <= set(let_in)


def test_compose_separates_database_server_and_worker() -> None:
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]

    assert services.keys() == {"web", "worker", "database"}
    assert services["database"]["image"].startswith("pgvector/pgvector")
    assert services["web"]["environment"]["DATABASE_URL"].startswith("postgresql://")
