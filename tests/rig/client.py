"""Home Assistant's websocket and REST interfaces, as the frontend uses them."""

from types import TracebackType
from typing import Any, Self

import aiohttp

Json = dict[str, Any]


class CommandError(Exception):
    """Home Assistant refused a websocket command."""


class Client:
    """One connection.

    async with Client(url, token) as ha:
        await ha("energy/get_prefs")
        await ha.rest("GET", "/api/states")
    """

    def __init__(self, url: str, token: str) -> None:
        """Take the address and an access token."""
        self._url = url
        self._token = token
        self._id = 0

    async def __aenter__(self) -> Self:
        """Connect and log in."""
        self._session = aiohttp.ClientSession(self._url)
        try:
            self._socket = await self._session.ws_connect(
                "/api/websocket", max_msg_size=0
            )
            await self._socket.receive_json()
            await self._socket.send_json({"type": "auth", "access_token": self._token})
            answer = await self._socket.receive_json()
            if answer["type"] != "auth_ok":
                raise CommandError(f"log-in: {answer}")  # noqa: TRY301
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._session.close()

    async def __call__(self, command: str, **data: object) -> Any:
        """Send one command and return its result.

        Raises:
            CommandError: Home Assistant refused it.
        """
        self._id += 1
        await self._socket.send_json({"id": self._id, "type": command, **data})
        while True:
            answer: Json = await self._socket.receive_json()
            if answer["id"] != self._id or answer["type"] == "event":
                continue
            if not answer["success"]:
                raise CommandError(f"{command}: {answer['error']}")
            return answer["result"]

    async def rest(self, method: str, path: str, body: Json | None = None) -> Any:
        """Return the answer of a REST call.

        Raises:
            CommandError: Home Assistant refused it.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.request(
            method, path, json=body, headers=headers
        ) as answer:
            if not answer.ok:
                text = await answer.text()
                raise CommandError(f"{method} {path}: {answer.status} {text}")
            return await answer.json()

    async def flow(self, handler: str, *steps: Json, path: str = "") -> Json:
        """Go through a configuration flow and return its last answer.

        Each of `steps` is what a person enters in one form. `path` chooses another
        kind of flow: "subentries/" (a handler is then [entry id, type]) or "options/".

        Raises:
            CommandError: A form was refused or left over.
        """
        base = f"/api/config/config_entries/{path}flow"
        answer: Json = await self.rest("POST", base, {"handler": handler})
        for entered in steps:
            if answer["type"] != "form":
                break
            form = answer["step_id"]
            answer = await self.rest("POST", f"{base}/{answer['flow_id']}", entered)
            if answer["type"] == "form" and answer["errors"]:
                raise CommandError(f"{handler}, step {form}: {answer['errors']}")
        if answer["type"] == "form":
            raise CommandError(f"{handler}: nothing given for {answer['step_id']}")
        return answer


async def onboard(url: str, name: str, password: str) -> str:
    """Create the owner as the browser would, and return a long-lived token."""
    client_id = f"{url}/"
    async with aiohttp.ClientSession(url, raise_for_status=True) as session:
        async with session.get("/api/onboarding") as answer:
            steps = [step["step"] for step in await answer.json() if not step["done"]]
        owner = {
            "name": name.capitalize(),
            "username": name,
            "password": password,
            "client_id": client_id,
            "language": "en",
        }
        async with session.post("/api/onboarding/users", json=owner) as answer:
            code = (await answer.json())["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code}
        form = {**grant, "client_id": client_id}
        async with session.post("/auth/token", data=form) as answer:
            token: str = (await answer.json())["access_token"]
        redirect = {"client_id": client_id, "redirect_uri": client_id}
        headers = {"Authorization": f"Bearer {token}"}
        for step in steps:
            if step != "user":
                body = redirect if step == "integration" else {}
                path = f"/api/onboarding/{step}"
                await session.post(path, json=body, headers=headers)
    async with Client(url, token) as ha:
        long_lived: str = await ha(
            "auth/long_lived_access_token", client_name="rig", lifespan=3650
        )
    return long_lived
