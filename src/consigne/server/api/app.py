"""The host as one ASGI application: routes, limits, and an answer to whatever goes wrong.

Route → method → gate → endpoint.  A Refusal from any of them is a problem document;
anything else that is raised is `internal`, noted by type and line, and told to nobody.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from consigne import protocol
from consigne.server import logs
from consigne.server.api import answers
from consigne.server.api.endpoints import Endpoints
from consigne.server.api.gates import Gates
from consigne.server.api.pages import pages
from consigne.server.api.problems import COMMON
from consigne.server.http.exchange import DisconnectedError
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

    from consigne.server.api.endpoints import Endpoint, Table
    from consigne.server.service.service import Service
    from consigne.server.settings import Settings

HEALTH, READINESS = "/healthz", "/readyz"


class App:
    """What the hub calls for each request."""

    def __init__(self, service: Service, settings: Settings) -> None:
        gates = Gates(settings)
        self.table = table(service, settings)
        routes = [
            Route(settings.base_path + path, Resource(path, methods, gates))
            for path, methods in self.table.items()
        ]
        self._router = Router(routes, redirect_slashes=False, default=_nowhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._router(scope, receive, sending)
        except DisconnectedError:
            raise
        except Exception as error:
            if started:
                raise  # too late for an answer: the connection is cut
            refusal = error if isinstance(error, Refusal) else _unforeseen(error)
            await answers.problem(refusal)(scope, receive, send)


class Resource:
    """One path: its methods, the preflight of the API's, and 405 for the rest."""

    def __init__(self, path: str, methods: dict[str, Endpoint], gates: Gates) -> None:
        self._path = path
        self._methods = methods
        self._gates = gates
        self._is_api = path.startswith(protocol.API)
        self._allowed = ", ".join([*methods, "OPTIONS"] if self._is_api else methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the method's endpoint."""
        endpoint = self._methods.get(scope["method"])
        if endpoint is not None:
            await self._serve(endpoint, Request(scope, receive), send)
            return
        if scope["method"] == "OPTIONS" and self._is_api:
            response = answers.preflight(self._allowed)
        else:
            response = answers.wrong_method(self._allowed)
        await response(scope, receive, send)

    async def _serve(self, endpoint: Endpoint, request: Request, send: Send) -> None:
        if self._path == HEALTH:  # a busy host is a living host
            response = await endpoint(request)
            await response(request.scope, request.receive, send)
            return
        with self._gates.place(self._path, request) as place:
            request.state.place = place
            response = await endpoint(request)
            place.answering()
            await response(request.scope, request.receive, send)


def table(service: Service, settings: Settings) -> Table:
    """Every route of the host with its methods, without `base_path`."""
    openapi = resources.files("consigne.server.api").joinpath("openapi.json").read_bytes()
    api = Endpoints(service, settings.max_capsule, openapi).table()

    async def ready(_request: Request) -> Response:
        await service.ready()
        return PlainTextResponse("ready\n", headers=COMMON)

    return {
        **api,
        HEALTH: {"GET": _healthy, "HEAD": _healthy},
        READINESS: {"GET": ready, "HEAD": ready},
        **pages(),
    }


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok\n", headers=COMMON)


async def _nowhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Refusal("not-found")


def _unforeseen(error: Exception) -> Refusal:
    logs.unexpected(error)
    return Refusal("internal")
