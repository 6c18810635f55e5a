from pathlib import Path

from tests.inference.conftest import Publish
from tests.support.commands import run_inference


def test_roll_back_and_promote_change_what_serves(model_dir: Path, publish: Publish) -> None:
    first = publish(version="20260101T000000Z-aaaaaa")
    second = publish(version="20260102T000000Z-bbbbbb")
    back = run_inference("rollback", "--project", "3", MODEL_DIR=str(model_dir))
    assert back.returncode == 0
    assert first in back.stdout
    forth = run_inference("promote", "--project", "3", second, MODEL_DIR=str(model_dir))
    assert second in forth.stdout
    unknown = run_inference("promote", "--project", "3", "20270101T000000Z-cccccc", MODEL_DIR=str(model_dir))
    assert unknown.returncode == 2
    assert first in unknown.stderr
