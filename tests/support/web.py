"""A web server on 127.0.0.1 that breaks off, ignores ranges or refuses requests, as asked."""

import contextlib
import http.server
import re
import socket
import threading
import time
from pathlib import Path


@contextlib.contextmanager
def serve(folder, *, ranges=True, break_after=(), status=200, length=True):
    """Serve a folder; yield the server's address and the list of requests it has seen.

    The i-th answer is cut off after break_after[i] bytes; later answers are complete.
    """
    seen, breaks = [], list(break_after)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = self.headers.get("Range")
            seen.append((self.path, asked))
            file = Path(folder, self.path.split("?")[0].lstrip("/"))
            if status != 200 or not file.is_file():
                return self.send_error(404 if status == 200 else status)
            data, start = file.read_bytes(), 0
            if ranges and asked:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
                if start >= len(data):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    return self.end_headers()
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            body = data[start:]
            if length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: breaks.pop(0)] if breaks else body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()


@contextlib.contextmanager
def sending(*answers):
    """Serve one answer a connection, byte for byte; yield the address and the requests.

    An answer is bytes, or a list of bytes and of seconds to wait. The last one is repeated. Its
    connection ends after it.
    """
    seen, left = [], list(answers)

    def serve_one(connection):
        answer = left.pop(0) if len(left) > 1 else left[0]
        with connection, contextlib.suppress(OSError):
            seen.append(connection.recv(65536).decode())
            for part in answer if isinstance(answer, list) else [answer]:
                time.sleep(part) if isinstance(part, float | int) else connection.sendall(part)

    def serve_all(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve_one, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=serve_all, args=[listener], daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()  # or it may, once stopped, accept from the next listener
