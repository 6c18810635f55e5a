"""Connecting a project: storing it, and using its token if allowed."""

import logging

from inference.operations.token_adoption import TokenAdoption
from inference.serving.model_cache import ModelCache
from inference.serving.protocol import UNTRAINED, ProjectRef, SetupCall
from shared.errors import LabelConfigError, RecordError, StoreError, UntrainedError
from shared.label_studio.webhook_address import webhook_objection
from shared.labelling.label_config import parse_label_config
from shared.retraining.controller import Controller
from shared.store.projects import KnownProject, KnownProjects

log = logging.getLogger(__name__)


class ProjectSetup:
    """Operations of POST /setup."""

    def __init__(
        self,
        projects: KnownProjects,
        tokens: TokenAdoption,
        models: ModelCache,
        controller: Controller,
    ) -> None:
        self._projects = projects
        self._tokens = tokens
        self._models = models
        self._controller = controller

    def connect(self, project: ProjectRef, call: SetupCall, called_as: str = "") -> str:
        """Store a project, use its token if allowed, and return the version that would answer.

        `called_as`: host and port by which Label Studio reached this server.
        """
        self._tokens.offer(call.hostname or "", call.access_token or "")
        try:
            if project.id:  # Label Studio counts from 1; 0 means that the request names no project
                self._remember(project, call, called_as)
        except StoreError as error:
            log.warning("A project could not be stored: %s", error, extra={"project": project.id})
        try:
            return self._models.version(project)
        except UntrainedError:  # connecting a project that has annotations already trains it
            self._controller.reconcile_soon(project.id)
            return UNTRAINED
        except StoreError as error:
            log.warning("%s", error, extra={"project": project.id})
            return UNTRAINED

    def _remember(self, project: ProjectRef, call: SetupCall, called_as: str) -> None:
        try:
            known = self._projects.get(project.id)
        except RecordError:  # replaced by what Label Studio says now
            known = None
        changed = self._projects.remember(
            KnownProject(
                id=project.id,
                created=project.created,
                title=known.title if known else "",
                label_config=call.schema,
                fingerprint=_fingerprint(call.schema),
                hostname=call.hostname or "",
                called_as=called_as,
            )
        )
        objection = webhook_objection(f"http://{called_as}") if called_as else ""
        if changed and objection:
            log.warning("%s", objection, extra={"project": project.id})


def _fingerprint(schema: str) -> str:
    try:
        return parse_label_config(schema).fingerprint
    except LabelConfigError:
        return ""
