"""A real SMTP listener for the tests: prints its port, then one line of JSON per mail it took.

The mail is taken apart by Python's own mail library, so that the tests see what a mail program would. Mail to an address that
begins with `gone` is refused, as a server does that has no such mailbox; to one that begins with `later` it is put off, once.
"""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP


class Take:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("gone"):
            return f"550 5.1.1 no {address} here"
        if address.startswith("later") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def part(kind):
            # An encrypted mail has neither.
            body = mail.get_body(preferencelist=(kind,))
            return body.get_content() if body else ""

        print(
            json.dumps(
                {
                    "to": envelope.rcpt_tos[0],
                    "from": envelope.mail_from,
                    "subject": mail["Subject"],
                    "message_id": mail["Message-ID"],
                    "raw": envelope.content.decode("ascii"),
                    "text": part("plain"),
                    "html": part("html"),
                    "files": {
                        file.get_filename(): file.get_content() for file in mail.iter_attachments() if file.get_filename()
                    }
                    if mail.get_content_type() == "multipart/mixed"
                    else {},
                }
            ),
            flush=True,
        )
        return "250 OK taken"


async def main():
    loop = asyncio.get_running_loop()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    take = Take()
    server = await loop.create_server(lambda: SMTP(take), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test: its standard input closes then.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
