"""Sending a request once, also where aiohttp would send it again by itself."""

import aiohttp


async def send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Let a broken connection break the request, whatever its method.

    By itself aiohttp repeats a PUT when the connection ends without an answer, be it
    a kept one or a new one: the server may have stored what it read. Its own client
    middleware is where it can be kept from that, for one request of a shared session.

    Raises:
        ClientConnectionError: The connection broke; the request may have been read.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # Nothing was sent, and aiohttp does not repeat it.
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(type(error).__name__) from error
