"""Takes what is posted to it and says thanks. Usage: sink.py ADDRESS PORT"""

import http.server
import sys


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Sink).serve_forever()
