"""The documentation for browsers: Swagger UI from a package here, so that it needs nobody else."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

PACKAGE = "fastapi_swagger.resources"  # only the files of Swagger UI are of use here
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
SCRIPT, STYLE, ICON = (f"/docs/{name}" for name in FILES)


def routes(openapi_url: str) -> list[Route]:
    """Return the page and the files that it loads; these are read once."""
    made = get_swagger_ui_html(
        openapi_url=openapi_url,
        title="Trunkline",
        swagger_js_url=SCRIPT,
        swagger_css_url=STYLE,
        swagger_favicon_url=ICON,
    )
    page = bytes(made.body).decode()
    policy = policy_of(page)
    files = {name: resources.files(PACKAGE).joinpath(name).read_bytes() for name in FILES}

    async def docs(request: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response(
            files[name], media_type=FILES[name], headers={"Cache-Control": "public, max-age=86400"}
        )

    return [
        Route("/docs", docs, name="docs"),
        *(Route(f"/docs/{name}", file, name="docs") for name in FILES),
    ]


def policy_of(page: str) -> str:
    """Return the content security policy of the page: files of its own, and its script by its digest."""
    digests = (
        sha256(script.encode()).digest() for script in re.findall(r"<script>(.*?)</script>", page, re.S)
    )
    scripts = " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
