"""The application beside a, of the pair with a user: `hold.py PORT`.

Answers GET /hold with the passport it was given and does not end the answer, so that the
passport stays in flight. Ends it when the other side is gone, or when no passport lives any more.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Passports live a minute.
LONGEST = 70


class Hold(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._piece((self.headers.get("Txn-Token", "") + "\n").encode())
        end = time.monotonic() + LONGEST
        try:
            while time.monotonic() < end:
                time.sleep(1)
                self._piece(b".")
        except OSError:
            # The request was given up.
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _piece(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hold).serve_forever()
