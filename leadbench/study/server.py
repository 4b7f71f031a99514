"""The study as a web application: pages made here, forms that any browser sends, one cookie.

Every form answers with a redirect, so that reloading sends nothing again; what is sent twice is kept once. The secret
in the cookie is the only key to a participant's answers.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from leadbench.core.skeleton import get_skeleton
from leadbench.report.pages.scenes import Shown, as_json, scene
from leadbench.study.answers import Answers, Participant
from leadbench.study.order import Item
from leadbench.study.plan import PARTS, SCALE, Study
from leadbench.study.position import Position
from leadbench.study.texts import Texts

_LARGEST_FORM = 1 << 14
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STATIC = {
    "player.js": ("leadbench.report", "text/javascript"),
    "style.css": ("leadbench.report", "text/css"),
    "study.css": ("leadbench.study", "text/css"),
}
Handler = Callable[[Request], Awaitable[Response]]


def make_app(study: Study, answers: Answers) -> Starlette:
    """The application of a study.

    Args:
        study: whose pairs are shown.
        answers: where ratings are kept.
    """
    site = _Site(study, answers)
    return Starlette(
        routes=[
            Route("/", site.welcome),
            Route("/begin", site.begin, methods=["POST"]),
            Route("/about", site.about, methods=["GET", "POST"]),
            Route("/part/{part}", site.part),
            Route("/rate/{part}/{number:int}", site.rate, methods=["GET", "POST"]),
            Route("/finish", site.finish, methods=["GET", "POST"]),
            Route("/done", site.done),
            Route("/health", _health),
            Route("/static/{name}", site.static),
        ],
        exception_handlers={404: site.lost, 405: site.lost},
    )


def compressed(app: Starlette) -> GZipMiddleware:
    """The application as it is served: pages hold motions, which compress well."""
    return GZipMiddleware(app, minimum_size=2000, compresslevel=4)


async def _health(request: Request) -> Response:
    return PlainTextResponse("ok")


class _Site:
    """Pages of one study."""

    def __init__(self, study: Study, answers: Answers) -> None:
        self._study, self._answers = study, answers
        self._plan = study.plan
        self._cookie = f"study-{study.plan.identity[:8]}"
        self._skeleton = get_skeleton(study.plan.skeleton)
        self._static = {name: _read(package, name) for name, (package, _) in _STATIC.items()}
        self._pages = Environment(
            loader=PackageLoader("leadbench.study", "web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
        )
        self._pages.globals["static"] = self._address
        # packed once, by pair and whether it is swapped
        self._scenes = {
            (pair.name, swapped): self._scene(pair.name, swapped)
            for pair in self._plan.pairs
            for swapped in (False, True)
        }

    # ------------------------------------------------------------------ pages

    async def welcome(self, request: Request) -> Response:
        """Consent, and the language; somebody who has begun goes on instead."""
        found = await self._position(request)
        if found is not None:
            return _to(found.address)
        response = self._page("welcome", self._language(request), **self._facts())
        if not request.cookies.get(self._cookie):
            self._give_secret(request, response)
        return response

    async def begin(self, request: Request) -> Response:
        """Somebody agreed."""
        form = await _form(request)
        language = form.get("language", "")
        language = language if language in self._study.texts else self._language(request)
        texts = self._study.texts[language]
        secret = request.cookies.get(self._cookie)
        if form.get("agree") != "yes" or not secret:
            problem = texts["must_agree" if secret else "cookies"]
            response = self._page("welcome", language, 400, problem=problem, **self._facts())
            if not secret:
                self._give_secret(request, response)
            return response
        await run_in_threadpool(self._answers.begin, _hashed(secret), language)
        return await self._go_on(request)

    async def about(self, request: Request) -> Response:
        """Questions about the participant, all of them optional."""
        found = await self._position(request)
        if found is None or found.participant.finished is not None or not self._plan.demographics:
            return await self._go_on(request)
        if request.method == "POST":
            form = await _form(request)
            said = {name: form[name] for name, choices in self._plan.demographics.items() if form.get(name) in choices}
            await run_in_threadpool(self._answers.tell, found.participant.id, said)
            return await self._go_on(request)
        about = found.participant.about or {}
        return self._page("about", found.participant.language, demographics=self._plan.demographics, about=about)

    async def part(self, request: Request) -> Response:
        """What is asked in a part."""
        found = await self._position(request)
        part = request.path_params["part"]
        if found is None or found.address != f"/part/{part}":
            return await self._go_on(request)
        return self._page("part", found.participant.language, part=part)

    async def rate(self, request: Request) -> Response:
        """A pair: shown, or its ratings taken."""
        found = await self._position(request)
        part, number = request.path_params["part"], int(request.path_params["number"])
        if found is None or not found.may_rate(part, number):
            return await self._go_on(request)
        item = found.items[part][number - 1]
        if request.method == "GET":
            await run_in_threadpool(self._answers.show, found.participant.id, part, item.name)
            a, b = found.participant.answers.get((part, item.name), (0, 0))
            return self._pair(found, part, number, {"A": a, "B": b})
        form = await _form(request)
        ratings = {letter: _rating(form.get(letter.lower())) for letter in ("A", "B")}
        if form.get("item") != item.name:  # a page of somebody else, or of another study
            return await self._go_on(request)
        if 0 in ratings.values():
            problem = self._study.texts[found.participant.language]["missing"]
            return self._pair(found, part, number, ratings, problem=problem)
        await run_in_threadpool(self._answers.rate, found.participant.id, part, item.name, ratings["A"], ratings["B"])
        ahead = number <= found.answered(part) and number < len(found.items[part])
        return _to(f"/rate/{part}/{number + 1}") if ahead else await self._go_on(request)

    async def finish(self, request: Request) -> Response:
        """The last page; afterwards nothing changes."""
        found = await self._position(request)
        if found is None or found.address != "/finish":
            return await self._go_on(request)
        if request.method == "POST":
            await _form(request)
            await run_in_threadpool(self._answers.finish, found.participant.id)
            return _to("/done")
        last = PARTS[-1]
        return self._page("finish", found.participant.language, part=last, count=len(found.items[last]))

    async def done(self, request: Request) -> Response:
        """Thanks, and the participant's number."""
        found = await self._position(request)
        if found is None or found.participant.finished is None:
            return await self._go_on(request)
        return self._page("done", found.participant.language, number=found.participant.id[:8])

    async def static(self, request: Request) -> Response:
        """Scripts and styles; their address changes with them."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(self._static[name], media_type=_STATIC[name][1], headers=headers)

    async def lost(self, request: Request, problem: Exception) -> Response:
        """No such page."""
        return self._page("lost", self._language(request), 404)

    # ------------------------------------------------------------------ parts

    def _page(self, name: str, language: str, status: int = 200, problem: str = "", **values: Any) -> Response:
        texts = self._study.texts.get(language) or self._study.texts[self._plan.languages[0]]
        content = self._pages.get_template(f"{name}.html.j2").render(
            texts=texts, language=language, problem=problem, **values
        )
        return HTMLResponse(content, status, headers={**_HEADERS, "Cache-Control": "no-store"})

    def _pair(self, found: Position, part: str, number: int, chosen: dict[str, int], *, problem: str = "") -> Response:
        item = found.items[part][number - 1]
        texts = self._texts(found.participant)
        return self._page(
            "rate",
            found.participant.language,
            400 if problem else 200,
            problem,
            part=part,
            number=number,
            count=len(found.items[part]),
            item=item,
            scene=self._scenes[item.pair, item.swapped],
            caption=texts.caption(self._caption(item)) if part == "relevance" else None,
            scale=SCALE,
            chosen=chosen,
        )

    def _texts(self, participant: Participant) -> Texts:
        return self._study.texts.get(participant.language) or self._study.texts[self._plan.languages[0]]

    def _caption(self, item: Item) -> str:
        return next(pair.caption for pair in self._plan.pairs if pair.name == item.pair)

    def _scene(self, pair: str, swapped: bool) -> Markup:
        """JSON of motions A and B, for the player."""
        first, second = self._study.motions[pair]
        shown = (second, first) if swapped else (first, second)
        figures = [Shown(letter, joints) for letter, joints in zip("AB", shown, strict=True)]
        # feet that are marked where they slide would tell people what to look at
        return as_json({**scene(figures, self._skeleton, self._plan.fps), "contacts": False})

    def _facts(self) -> dict[str, Any]:
        languages = {name: texts["language"] for name, texts in self._study.texts.items()}
        return {"languages": languages, "pairs": len(self._plan.pairs), "minutes": self._plan.minutes}

    async def _position(self, request: Request) -> Position | None:
        secret = request.cookies.get(self._cookie)
        if not secret:
            return None
        participant = await run_in_threadpool(self._answers.participant, _hashed(secret))
        return None if participant is None else Position.of(self._plan, participant)

    async def _go_on(self, request: Request) -> Response:
        found = await self._position(request)
        return _to("/" if found is None else found.address)

    def _language(self, request: Request) -> str:
        wanted = [request.query_params.get("language", "")]
        wanted += [part.split(";")[0].strip().lower() for part in request.headers.get("accept-language", "").split(",")]
        known = self._study.texts
        return next((name for text in wanted for name in (text, text[:2]) if name in known), self._plan.languages[0])

    def _give_secret(self, request: Request, response: Response) -> None:
        response.set_cookie(
            self._cookie, secrets.token_urlsafe(32), httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )

    def _address(self, name: str) -> str:
        return f"/static/{name}?{hashlib.sha256(self._static[name]).hexdigest()[:10]}"


async def _form(request: Request) -> dict[str, str]:
    """Fields of a form that our own page sent.

    Raises:
        HTTPException: another site sent it, or it is no form of ours.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:  # an older browser; a proxy must then keep the name of the host
        strange = origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host")
    else:
        strange = site not in ("same-origin", "none")
    if strange:
        raise HTTPException(403, "sent by another site")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise HTTPException(413, "too large for a form of this study")
    try:
        return dict(parse_qsl(body.decode("utf-8"), max_num_fields=50))
    except ValueError as exc:
        raise HTTPException(400, "no form of this study") from exc


def _rating(text: str | None) -> int:
    """1 to 5; 0: none."""
    return int(text) if text in {str(value) for value in SCALE} else 0


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def _read(package: str, name: str) -> bytes:
    return (files(package) / "web" / name).read_bytes()
