"""Tokens with which the server reads Label Studio, and the levels of access to the server itself."""

import pytest

from examples.demo.client import Client, ClientError
from tests.e2e.conftest import Serve
from tests.e2e.project import Project

FAST = {"TRAIN_EPOCHS": "20"}
PASSWORD = {"BASIC_AUTH_USER": "labeller", "BASIC_AUTH_PASS": "correct horse"}


def test_a_personal_access_token_is_enough_when_legacy_tokens_are_off(user: Client, serve: Serve) -> None:
    """An organisation may forbid the older kind, and Label Studio still hands it to `/setup`."""
    token = user.create_personal_token()
    person = Client(user.url, token)
    person.allow_legacy_tokens(allowed=False)
    try:
        with serve("personal-token", LABEL_STUDIO_API_KEY=token, **FAST) as server:
            project = Project(person, seed=21, count=3, labels=2, axis="datetime")
            project.connect(server.url)
            project.annotate(0)
            project.annotate(1)
            version = project.wait_until_trained(server.models)
            person.retrieve_predictions(project.id)
            assert person.predictions(project.id, version).keys() == set(project.tasks)
    finally:
        person.allow_legacy_tokens(allowed=True)


def test_no_token_is_needed_on_one_machine(user: Client, serve: Serve) -> None:
    """Connecting the URL is all there is to do: the token that comes with `/setup` is used."""
    with serve("no-token", LABEL_STUDIO_API_KEY="", **FAST) as server:
        project = Project(user, seed=22, count=3, labels=2, axis="numeric")
        project.connect(server.url)
        project.annotate(0)
        project.annotate(1)
        version = project.wait_until_trained(server.models)
        user.retrieve_predictions(project.id)
        assert user.predictions(project.id, version).keys() == set(project.tasks)


def test_annotations_train_a_server_with_a_password_though_their_events_carry_none(user: Client, serve: Serve) -> None:
    """Label Studio sends the password with everything but annotation events."""
    with serve("password", **PASSWORD, **FAST) as server:
        project = Project(user, seed=23, count=3, labels=2, axis="index")
        with pytest.raises(ClientError, match="400"):
            project.connect(server.url)
        backend = project.connect(server.url, *PASSWORD.values())
        project.annotate(0)
        project.annotate(1)
        before = project.wait_until_trained(server.models)
        user.train(backend)
        project.wait_until_trained(server.models, after=before)


def test_a_secret_in_the_address_protects_the_events_too(user: Client, serve: Serve) -> None:
    """The webhook that Label Studio makes has the secret in it, because the address has."""
    secret = "not-to-be-guessed-0123456789"
    with serve("secret", WEBHOOK_SECRET=secret, **FAST) as server:
        project = Project(user, seed=24, count=3, labels=2, axis="index")
        project.connect(f"{server.url}/{secret}")
        assert [hook["url"] for hook in user.webhooks(project.id)] == [f"{server.url}/{secret}/webhook"]
        project.annotate(0)
        project.annotate(1)
        project.wait_until_trained(server.models)
