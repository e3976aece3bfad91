"""A server on the loopback interface that fails on request."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT = 10  # s; tests are much faster


class Server(ThreadingHTTPServer):
    """Serve bytes by path; ``faults`` lists how the next requests of a path fail."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.faults, self.requests = {}, {}, []
        self.halfway, self.resume = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """Ignore clients that closed the connection."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self):
        name = self.path.removeprefix("/")
        self.server.requests.append(name)
        faults = self.server.faults.get(name, [])
        fault = faults.pop(0) if faults else None
        body = self.server.content.get(name)
        if body is None:
            self.send_error(404)
            return
        half = len(body) // 2
        body = {"short": body[:half], "wrong": body[::-1]}.get(fault, body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:half])
        if fault == "pause":
            self.server.halfway.set()
            self.server.resume.wait(WAIT)
        if fault != "truncated":
            self.wfile.write(body[half:])

    def log_message(self, *args):
        """Keep quiet."""
