import os
from pathlib import Path

import pytest

from shared.errors import LabelStudioError, SettingsError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.token_file import TokenFile, open_token_file
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.web_server import Asked, Script, answer_json, serve

TOKEN = "a" * 40


def label_studio(known: set[str]) -> Script:
    def script(asked: Asked) -> bytes:
        token = asked.headers.get("authorization", "").removeprefix("Token ")
        user = {"id": 1, "email": "a@b"}
        return answer_json(user) if token in known else answer_json({"detail": "Invalid token."}, 401)

    return script


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Settings(keep_token=True, model_dir=str(tmp_path / "models"))


def credentials_of(settings: Settings, host: str) -> Credentials:
    settings = Settings(keep_token=settings.keep_token, model_dir=settings.model_dir, label_studio_host=host)
    return Credentials(settings, Connections(), token_file=open_token_file(settings))


def path_of(settings: Settings) -> Path:
    file = open_token_file(settings)
    assert file is not None
    return file.path


def test_an_accepted_token_outlives_a_restart_in_a_file_of_its_own(settings: Settings, tmp_path: Path) -> None:
    with serve(label_studio({TOKEN})) as web:
        assert credentials_of(settings, web.url).adopt(web.url, TOKEN)
        path = path_of(settings)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert not path.is_relative_to(Path(settings.model_dir))
        after = credentials_of(settings, web.url)
        assert (after.kind, after.adopted) == ("legacy", True)
        assert LabelStudio(after, Connections()).whoami().email == "a@b"


def test_a_token_counts_for_the_host_that_accepted_it_alone(settings: Settings) -> None:
    with serve(label_studio({TOKEN})) as web, serve(label_studio({TOKEN})) as other:
        credentials_of(settings, web.url).adopt(web.url, TOKEN)
        assert credentials_of(settings, other.url).kind == "none"


def test_a_401_deletes_it(settings: Settings) -> None:
    known = {TOKEN}
    with serve(label_studio(known)) as web:
        credentials_of(settings, web.url).adopt(web.url, TOKEN)
        after = credentials_of(settings, web.url)
        known.clear()
        with pytest.raises(LabelStudioError, match="does not know the token"):
            LabelStudio(after, Connections()).whoami()
        assert not path_of(settings).exists()
        assert credentials_of(settings, web.url).kind == "none"


def test_a_refused_token_is_never_written(settings: Settings) -> None:
    with serve(label_studio(set())) as web:
        assert not credentials_of(settings, web.url).adopt(web.url, TOKEN)
    assert not path_of(settings).exists()


def test_a_file_that_others_may_read_or_a_link_is_not_used(settings: Settings, tmp_path: Path) -> None:
    file = TokenFile(path_of(settings))
    file.write("http://here", TOKEN)
    assert file.read("http://here") == TOKEN
    file.path.chmod(0o640)
    assert file.read("http://here") == ""
    file.path.chmod(0o600)
    real = tmp_path / "real"
    file.path.rename(real)
    file.path.symlink_to(real)
    assert file.read("http://here") == ""
    file.path.unlink()
    os.mkfifo(file.path, 0o600)
    assert file.read("http://here") == ""


def test_nothing_is_kept_unless_asked_for(settings: Settings, tmp_path: Path) -> None:
    assert open_token_file(Settings(model_dir=settings.model_dir)) is None
    assert open_token_file(Settings(keep_token=True, model_dir=settings.model_dir, label_studio_api_key="b")) is None


def test_a_bucket_or_a_place_within_the_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY instead"):
        Settings(keep_token=True, model_dir="s3://bucket/models")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "models" / "state"))
    with pytest.raises(SettingsError, match="XDG_STATE_HOME"):
        open_token_file(Settings(keep_token=True, model_dir=str(tmp_path / "models")))
