"""Answers of a server on this machine, in place of the hosts that weights are downloaded from."""

from http.server import BaseHTTPRequestHandler


class NotThere(BaseHTTPRequestHandler):
    """404 to whatever is asked; as a proxy it refuses to tunnel."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


class HangsUp(NotThere):
    def do_GET(self):
        self.connection.close()


class SaysSomethingElse(NotThere):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page of a captive portal")


def serving(content: bytes) -> type[NotThere]:
    """A handler that answers with that content; `asked` has the paths that were asked for."""

    class Serves(NotThere):
        asked: list[str] = []  # noqa: RUF012

        def do_GET(self):
            self.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

    return Serves
