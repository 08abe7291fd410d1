import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from app.secret_keys import secret_keys
from app.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_a_key_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    [key] = secret_keys(Settings(data_dir=tmp_path / "data"))

    [made] = (tmp_path / "data").iterdir()
    assert made.stat().st_mode & 0o777 == 0o600
    assert len(Fernet.generate_key()) == len(key)


def test_it_is_made_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    assert secret_keys(settings) == secret_keys(settings)


def test_processes_that_race_for_it_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from app.secret_keys import secret_keys; from app.settings import Settings;"
        "print('ready', flush=True); sys.stdin.read(1); print(*secret_keys(Settings()))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PALAVER_DATA_DIR": str(tmp_path)},
        )
        for _ in range(4)
    ]
    for racer in racers:
        # All of them are told at once, when all of them are there.
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("g")
        racer.stdin.flush()
    keys = {racer.communicate()[0] for racer in racers}

    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_the_operators_keys_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("PALAVER_SECRET_KEYS", f"{one}, {two}")
    settings = Settings(data_dir=tmp_path)

    assert secret_keys(settings) == [one, two]
    assert list(tmp_path.iterdir()) == []
    assert one not in repr(settings)


@pytest.mark.parametrize("keys", ["short", "x" * 44, "password,another"])
def test_what_is_no_key_is_refused_at_the_start(keys: str) -> None:
    with pytest.raises(ValidationError, match="32 random bytes"):
        Settings(secret_keys=keys)  # type: ignore[arg-type]  # as the environment spells it
