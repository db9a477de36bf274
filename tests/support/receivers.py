"""Who gets notices in tests: a web server for webhooks, and a mail server with STARTTLS."""

import http.server
import json
import subprocess
import sys
import threading

import throwaway

MAIL_SERVER = """
import json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

port, cert, key, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(cert, key)

class Keep:
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": envelope.content.decode(), "tls": session.ssl is not None,
                          "login": getattr(session, "who", None)}), flush=True)
        return "250 taken"

def authenticate(server, session, envelope, mechanism, data):
    session.who = data.login.decode()
    return AuthResult(success=data.password == b"a password of tests")

class OurController(Controller):
    def factory(self):
        if mode == "plain":
            return SMTP(self.handler, hostname="localhost")
        return SMTP(self.handler, hostname="localhost", tls_context=tls, require_starttls=True, authenticator=authenticate, auth_required=True)

OurController(Keep(), hostname="127.0.0.1", port=port).start()
print(json.dumps({"listens": port}), flush=True)
while True:
    time.sleep(60)
"""


class MailServer:
    """`mode`: starttls (and a login), or plain, which offers neither."""

    def __init__(self, cert, key, mode="starttls"):
        self.port = throwaway.free_port()
        self.messages = []
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", MAIL_SERVER, str(self.port), str(cert), str(key), mode], stdout=subprocess.PIPE,
                                        stderr=sys.stderr, text=True, preexec_fn=throwaway._die_with_parent)
        self._undo = throwaway.cleanup().add(throwaway.stop_process, self.process)
        assert "listens" in self.process.stdout.readline()
        threading.Thread(target=lambda: [self.messages.append(json.loads(line)) for line in self.process.stdout], daemon=True).start()

    def stop(self):
        self._undo()


class WebhookServer:
    """Keeps each request as (path, headers, body); answers with the statuses it is told, then with 200."""

    def __init__(self):
        self.requests, self.statuses = [], []
        keeper = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                keeper.requests.append((self.path, self.headers, body))
                self.send_response(keeper.statuses.pop(0) if keeper.statuses else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, path):
        return [json.loads(body) for each, _, body in self.requests if each == path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
