"""The application: route table and handlers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from inference.json_response import encoded_answer, json_answer, read_body
from inference.monitoring.metrics import CONTENT_TYPE
from inference.services import Services
from inference.serving.protocol import (
    RequestError,
    decode_object,
    decode_predict,
    decode_setup,
    encode_results,
    parse_project,
)
from inference.serving.webhooks import START_TRAINING, parse_event
from inference.status.actions import actor_of
from inference.status.routes import status_routes
from inference.version import program_version
from inference.web.auth import Authentication, unauthorized
from inference.web.error_handlers import handlers
from inference.web.openapi import document
from inference.web.origins import OriginCheck
from inference.web.request_limits import RequestLimits
from inference.web.request_log import RequestLog
from shared.errors import LabelConfigError
from shared.labelling.label_config import parse_label_config
from shared.settings import Settings

T = TypeVar("T")

NAME = "TimeSeriesSegmenter"
LONGEST_HOST = 300  # characters of a Host header that are looked at
DECODED_AT_ONCE = 2**18  # bytes; larger bodies are decoded in a thread, so that /health answers meanwhile


def create_app(settings: Settings, services: Services | None = None) -> Starlette:
    """The ASGI application. `services` (default: created from the settings) start and end with it."""
    services = services or Services(settings)
    answers = Answers(settings, services)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        services.start()
        try:
            yield
        finally:
            await asyncio.to_thread(services.close)

    routes = [
        # what Label Studio 1.23 calls
        Route("/health", answers.health),
        Route("/setup", answers.setup, methods=["POST"]),
        Route("/predict", answers.predict, methods=["POST"]),
        Route("/webhook", answers.webhook, methods=["POST"]),
        Route("/versions", answers.versions, methods=["GET", "POST"]),
        # what older versions, or scripts, call
        Route("/", answers.root),
        Route("/train", answers.train, methods=["POST"]),
        Route("/job_status", answers.job_status, methods=["GET", "POST"]),
        Route("/is_training", answers.is_training),
        Route("/validate", answers.validate, methods=["POST"]),
        Route("/delete", answers.unsupported, methods=["POST"]),
        Route("/duplicate_model", answers.unsupported, methods=["POST"]),
        # what operators' tools call
        Route("/livez", answers.livez),
        Route("/readyz", answers.readyz),
        Route("/metrics", answers.metrics),
        Route("/openapi.json", answers.openapi),
        *status_routes(
            settings, services.pools, services.pages, services.trainings, services.versions, services.labels
        ),
    ]
    names = [route.path for route in routes]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(
                RequestLog,
                metrics=services.metrics,
                activity_log=services.activity_log,
                routes=names,
                secret=settings.webhook_secret,
            ),
            Middleware(Authentication, settings=settings),
            Middleware(OriginCheck, settings=settings),
            Middleware(RequestLimits, settings=settings, metrics=services.metrics),
        ],
        exception_handlers=handlers(settings, services.metrics.refused),
    )


def _called_as(request: Request) -> str:
    """Host and port under which Label Studio called, also through a proxy that forwards them."""
    headers = request.headers
    return (headers.get("x-forwarded-host") or headers.get("host") or "").partition(",")[0].strip()[:LONGEST_HOST]


class Answers:
    """One method a route."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._limit = settings.max_body_mb * 2**20
        self._services = services
        self._document = cache(lambda: msgspec.json.encode(document()))
        self._health = msgspec.json.encode({"status": "UP", "model_class": NAME, "version": program_version()})

    async def health(self, request: Request) -> Response:
        """Alive. Label Studio waits one second, so this depends on nothing else."""
        return encoded_answer(self._health)

    async def root(self, request: Request) -> Response:
        """Redirects browsers to the status page; answers other clients as /health."""
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("ui/", 307)
        return await self.health(request)

    async def livez(self, request: Request) -> Response:
        """Alive, for a kubelet."""
        return json_answer({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """Ready for requests, or why not."""
        reason = self._services.background.unready_reason()
        if reason:
            return json_answer({"status": reason}, 503)
        # no cause to take the server away: it predicts what it can
        background = self._services.background
        problem = background.store_problem() or background.hanging_problem() or self._services.label_studio_problem()
        return json_answer({"status": "ready", "problem": problem} if problem else {"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        return Response(
            await self._services.pools.run_in_page_pool(self._services.metrics.text), media_type=CONTENT_TYPE
        )

    async def openapi(self, request: Request) -> Response:
        """The API, described."""
        return encoded_answer(self._document())

    async def setup(self, request: Request) -> Response:
        """Label Studio connects, or is about to predict: answer the version that would predict."""
        call = await self._decoded(decode_setup, request)
        project = parse_project(call.project)
        if project is None:
            raise RequestError('The setup names no "project".')
        version = await self._services.pools.run_in_io_pool(
            self._services.setup.connect, project, call, _called_as(request)
        )
        return json_answer({"model_version": version})

    async def predict(self, request: Request) -> Response:
        """Segments for a batch of tasks."""
        call = await self._decoded(decode_predict, request)
        results = await self._services.predictor.predict(call)
        return encoded_answer(
            await self._services.pools.run_in_io_pool(encode_results, results)
            if len(results) > 1
            else encode_results(results)
        )

    async def webhook(self, request: Request) -> Response:
        """An event: stored if it matters, before it is answered."""
        event = await self._decoded(parse_event, request)
        if event.action == START_TRAINING and not request.state.authorized:
            return unauthorized()
        job = await self._services.pools.run_in_io_pool(self._services.events.record, event)
        if event.action == START_TRAINING and event.project is not None:
            actor = actor_of(request, self._settings)
            await self._services.pools.run_in_io_pool(self._services.trainings.note_start, event.project.id, actor)
        return json_answer({"status": "stored" if job else "ignored", "job": job}, 201)

    async def versions(self, request: Request) -> Response:
        """Kept versions of a project (`?project=`), or of all: Label Studio names none."""
        project = parse_project(request.query_params.get("project"))
        names = await self._services.pools.run_in_io_pool(
            self._services.versions.names, project.id if project else None
        )
        return json_answer({"versions": names})

    async def train(self, request: Request) -> Response:
        """The train button of older Label Studios."""
        payload = await self._decoded(decode_object, request)
        project = parse_project(payload.get("project"))
        if project is None:
            raise RequestError('Expected {"project": "3"}: the project to train.')
        job = await self._services.pools.run_in_io_pool(
            self._services.trainings.start, project.id, actor_of(request, self._settings)
        )
        return json_answer({"status": "stored", "job": job}, 201)

    async def job_status(self, request: Request) -> Response:
        """Status of a START_TRAINING: queued, running, or its outcome."""
        job = request.query_params.get("job")
        if job is None and request.method == "POST":
            job = (await self._decoded(decode_object, request)).get("job")
        if not isinstance(job, str) or not job:
            raise RequestError('Expected {"job": "…"} with the id that the answer to START_TRAINING held.')
        return json_answer(await self._services.pools.run_in_io_pool(self._services.trainings.job_status, job))

    async def is_training(self, request: Request) -> Response:
        """Whether a project (`?project=`) is being trained now."""
        project = parse_project(request.query_params.get("project"))
        if project is None:
            raise RequestError("Expected ?project=3: the number of a project.")
        active = await self._services.pools.run_in_io_pool(self._services.trainings.is_training, project.id)
        return json_answer({"is_training": active})

    async def validate(self, request: Request) -> Response:
        """Whether a labelling configuration can be served, and if not, why."""
        config = (await self._decoded(decode_object, request)).get("config")
        try:
            found = await self._services.pools.run_in_io_pool(
                parse_label_config, config if isinstance(config, str) else ""
            )
        except LabelConfigError as error:
            return json_answer({"valid": False, "error": str(error)})
        return json_answer({"valid": True, "labels": found.labels, "channels": found.channels})

    async def unsupported(self, request: Request) -> Response:
        """Models cannot be deleted or copied over the network."""
        return json_answer({"done": False, "reason": "Models are kept; `python -m inference models` manages them."})

    async def _decoded(self, decode: Callable[[bytes], T], request: Request) -> T:
        """The decoded body of a request; a large one is decoded in a thread."""
        body = await read_body(request, self._limit)
        return await self._services.pools.run_in_io_pool(decode, body) if len(body) > DECODED_AT_ONCE else decode(body)
