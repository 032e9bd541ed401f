"""A mail server that takes everything and keeps nothing. Usage: mail.py HOST-NAME"""

import asyncio
import sys

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP


async def serve(name: str) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Sink(), hostname=name), None, 25)
    await server.serve_forever()


asyncio.run(serve(sys.argv[1]))
