"""The stand-in LLM API of the profile `demo`; `GET /received` shows what "the provider" got."""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from kong_plugins.aws_masker.demo.standin import StandIn


class Witness(StandIn):
    """A stand-in that can be asked what it received."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an API would, or tell."""
        if scope["type"] == "http" and scope["path"] == "/received":
            told = [{"path": one.path, "body": one.content.decode("utf-8", "replace")} for one in self.requests]
            await JSONResponse(told)(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/healthz":
            await JSONResponse({"status": "ok"})(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
