#!/usr/bin/env python3
"""A handler for tasks that dueq posts: stores each payload in a file of its own.

    export DUEQ_HTTP_SECRET=...
    python3 handler.py DIR PORT                          # 0: any free port
    dueq work QUEUE --http http://127.0.0.1:PORT/

200 the task is done; 503 come back later (while DIR/paused exists); 410 it never will be (it is
empty, or its id too long for the name of a file). Anything else is tried again too, after dueq's
own backoff.
"""
import hashlib
import hmac
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["DUEQ_HTTP_SECRET"].encode()
FOLDER = sys.argv[1]
PORT = int(sys.argv[2])
AGE_MAX_S = 300  # of a request: an older one may be a recording
BODY_LEN_MAX = 64 * 1024 * 1024
NAME_LEN_MAX = 200  # of a file; file systems take some 50 more


def number(text, digits_max):
    """-1 when it is none, or a longer one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits_max else -1


def is_signed(headers, body):
    """Whether the request comes from a worker that knows the secret, and is not an old one."""
    signature = headers.get("Dueq-Signature", "")
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    seconds = parts.get("t", "")
    if abs(time.time() - number(seconds, 12)) > AGE_MAX_S:
        return False
    names = ("Dueq-Queue", "Dueq-Id", "Dueq-Attempt", "Dueq-Token")
    lines = [seconds] + [headers.get(name, "") for name in names]
    text = "".join(line + "\n" for line in lines).encode() + body
    wanted = hmac.new(SECRET, text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), parts.get("v1", "").encode())


def file_name(task_id):
    """It begins with "task-", so that ".." is an id as any other."""
    return "task-" + task_id.replace("/", "%2F")


def store(name, body):
    """The work. A task may come twice, so it is such that doing it twice does no harm."""
    path = os.path.join(FOLDER, name)
    part = f"{path}.{time.monotonic_ns()}.part"
    with open(part, "xb") as file:
        file.write(body)
    os.rename(part, path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True  # an answer is not held back to wait for more
    timeout = 60

    def do_POST(self):
        length = number(self.headers.get("Content-Length", ""), 12)
        if not 0 <= length <= BODY_LEN_MAX:
            self.close_connection = True
            self.answer(413, "the payload is too large")
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the worker has gone
        elif not is_signed(self.headers, body):
            self.answer(401, "the signature is missing, wrong or old")
        else:
            self.handle_task(body)

    def handle_task(self, body):
        name = file_name(self.headers["Dueq-Id"])
        if os.path.exists(os.path.join(FOLDER, "paused")):
            self.answer(503, "paused", {"Retry-After": "60"})
        elif not body:
            self.answer(410, "the payload is empty")
        elif len(name) > NAME_LEN_MAX:
            self.answer(410, "the id is too long for the name of a file")
        else:
            store(name, body)
            self.answer(200, "stored")

    def answer(self, status, text, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", PORT), Handler)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
