"""The page of `explore`, live: it asks a model on this machine, about any value that its sliders have, and any image.

    GET /         the page
    POST /do      {"item": 0, "do": {"lv_area": 900}} -> the answer: image, outlines, readings, support
    POST /item    {"image": "<a file in base64>", "given": {"sex": "male"}} -> what was seen, and what can be asked of it

Questions are JSON only, from pages of this server only, and bounded in size; a mistake comes back as {"error": ...}.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from causalimg.errors import imported, whole
from causalimg.exploring.exploration import Explorable, Exploration
from causalimg.exploring.live import Live
from causalimg.exploring.page import page
from causalimg.training.progress import say

MOST = 32 * 2**20
"""Bytes of a question; an image of 2**25 pixels that is no noise fits."""

HOME = ("127.0.0.1", "localhost")
INSTALL = '"causalimg[serve]"'


def serve(
    model: Explorable,
    rows: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    over: Sequence[str] | None = None,
    targets: int = 33,
    items: int = 8,
    particles: int = 1,
    title: str = "",
) -> None:
    """Serve the page until Ctrl-C, to this machine alone unless `host` says otherwise; it has no password.

    The other arguments, and what is raised, are those of `explore`. Raises ImportError where ``causalimg[serve]`` is not
    installed.
    """
    shown = Exploration(model, rows, over, targets, items, particles)
    whole("port", port, 0, 65535)
    uvicorn = imported("uvicorn", INSTALL)
    app = application(shown, title, host)
    say(f"http://{host}:{port} (Ctrl-C ends it)")
    uvicorn.run(app, host=host, port=port, log_level="warning")


def application(shown: Exploration, title: str = "", host: str = HOME[0]) -> Any:
    """The page of `shown` and its answers as an ASGI application, of Starlette."""
    applications, routing = (imported(f"starlette.{part}", INSTALL) for part in ("applications", "routing"))
    middleware, hosts = (imported(f"starlette.middleware{part}", INSTALL) for part in ("", ".trustedhost"))
    live = Live(shown)
    routes = [
        routing.Route("/", _page(live, title or f"{shown.graph.title}: what would have been")),
        routing.Route("/do", _answering(live.do), methods=["POST"]),
        routing.Route("/item", _answering(live.item), methods=["POST"]),
    ]
    # Who is asked for by another name was led here by a page from elsewhere (DNS rebinding).
    trusted = [*HOME, host] if host in HOME else ["*"]
    guard = middleware.Middleware(hosts.TrustedHostMiddleware, allowed_hosts=trusted)
    return applications.Starlette(routes=routes, middleware=[guard])


def _page(live: Live, title: str) -> Callable[[Any], Any]:
    responses, html = imported("starlette.responses", INSTALL), page(title, live.page(), connect="'self'")
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    return lambda _: responses.HTMLResponse(html, headers=headers)


def _answering(answer: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    responses, threads = (imported(f"starlette.{part}", INSTALL) for part in ("responses", "concurrency"))

    async def endpoint(request: Any) -> Any:
        try:
            return responses.JSONResponse(await threads.run_in_threadpool(answer, await _asked(request)))
        except (ValueError, TypeError) as error:
            return responses.JSONResponse({"error": str(error)}, status_code=400)

    return endpoint


async def _asked(request: Any) -> Any:
    """The JSON of a request. Raises ValueError for what is none, or too large. The type is one that no form can send."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("expected Content-Type: application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST:
            raise ValueError(f"a question of more than {MOST / 2**20:.0f} MB: send a smaller image")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
