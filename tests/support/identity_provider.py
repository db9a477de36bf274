"""An OpenID Connect provider (npm's oidc-provider, which is certified) on loopback with a CA of its own; and forged tokens."""

import base64
import hashlib
import hmac
import html
import http.cookiejar
import json
import os
import re
import select
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import throwaway

SOURCE = throwaway.SOURCE / "tests/support/oidc"
SECRET = "a secret of tests"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def installed():
    """The folder with the provider's script and packages, installed once for a build as the lock file says."""
    folder = throwaway.BUILD / "oidc-provider"
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "installed"
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", "provider.mjs"):
        shutil.copy(SOURCE / name, folder / name)
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(digest)
    return folder


def make_certificates(folder):
    """A CA and a certificate of it for localhost; gives the three files."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    key_kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca, ca_key, cert, key, asked, names = (folder / name for name in ("ca.pem", "ca.key", "idp.pem", "idp.key", "idp.csr", "names"))
    openssl("req", "-x509", *key_kind, "-keyout", ca_key, "-out", ca, "-subj", "/CN=CA of a test", "-days", 2)
    openssl("req", *key_kind, "-keyout", key, "-out", asked, "-subj", "/CN=localhost")
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", asked, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert, "-days", 2, "-extfile", names)
    ca.chmod(0o644)
    return ca, cert, key


class Provider:
    """`people`: {subject: claims}. `ttl`: of access tokens in seconds; `id_ttl`: of ID tokens. `redirects`: where people come back to who sign
    in with a browser."""

    def __init__(self, people, ttl=600, id_ttl=600, name="idp", redirects=None):
        self.folder = throwaway.folder() / name
        self.folder.mkdir()
        self.ca, self.cert, self.key = make_certificates(self.folder)
        self.options = {"port": throwaway.free_port(), "cert": str(self.cert), "key": str(self.key), "people": people, "ttl": ttl, "idTtl": id_ttl}
        if redirects:
            self.options["redirects"] = redirects
        self.issuer = f"https://localhost:{self.options['port']}"
        self.tls = ssl.create_default_context(cafile=str(self.ca))
        self.start()

    def start(self, **changes):
        self.options |= changes
        script = installed() / "provider.mjs"
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["node", str(script), json.dumps(self.options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, preexec_fn=throwaway._die_with_parent)
        self._undo = throwaway.cleanup().add(throwaway.stop_process, self.process)
        self._answer()

    def stop(self):
        self._undo()
        self.log.close()
        self.process.stdin.close()
        self.process.stdout.close()

    def _answer(self, seconds=60):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise AssertionError(f"the provider does not answer:\n{(self.folder / 'log').read_text()}")
        return json.loads(self.process.stdout.readline())

    def keys(self, **change):
        """rotate=[…]: other keys of these algorithms; add=[…]: more of them. Gives the ids."""
        self.process.stdin.write(json.dumps(change).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()["kids"]

    def public_keys(self):
        """What everybody can fetch: {algorithm: JWK}."""
        with urllib.request.urlopen(self.issuer + "/jwks", context=self.tls, timeout=20) as answer:
            return {key["alg"]: key for key in json.load(answer)["keys"]}

    def post(self, path, fields, client=None):
        request = urllib.request.Request(self.issuer + path, urllib.parse.urlencode(fields).encode())
        if client:
            login = f"{urllib.parse.quote(client)}:{urllib.parse.quote(SECRET)}"
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None

    def machine_token(self, algorithm="ES256"):
        """An access token of client credentials; its subject is agent-ALGORITHM."""
        return self.post("/token", {"grant_type": "client_credentials"}, f"agent-{algorithm}")["access_token"]

    def exchanged_token(self, subject, actor=None, algorithm="ES256"):
        """A token for `subject` by the client agent-ALGORITHM, and before it by `actor` (RFC 8693)."""
        fields = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        return self.post("/token", fields | ({"actor_token": actor} if actor else {}), f"agent-{algorithm}")["access_token"]

    def enter_code(self, uri, person):
        """What a person does in a browser: opens the page, confirms the code, logs in, consents."""
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.tls),
                                             urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        page, url = self._open(opener, uri)
        for _ in range(8):
            form = re.search(r"<form[^>]*>.*?</form>", page, re.S)
            if not form:
                return page
            fields = {html.unescape(name): html.unescape(value) for name, value in
                      re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form[0])}
            fields |= {name: value for value, name in re.findall(r'<button[^>]*value="([^"]*)"[^>]*name="([^"]*)"', form[0])}
            if 'name="login"' in form[0]:
                fields |= {"login": person, "password": "any"}
            if "confirm" in page and "user_code" in fields:
                fields["confirm"] = "yes"
            action = re.search(r'action="([^"]*)"', form[0])
            page, url = self._open(opener, urllib.parse.urljoin(url, html.unescape(action[1]) if action else url), fields)
        raise AssertionError(f"the login does not end: {page}")

    @staticmethod
    def _open(opener, url, fields=None):
        try:
            with opener.open(url, urllib.parse.urlencode(fields).encode() if fields else None, timeout=20) as answer:
                return answer.read().decode(), answer.geturl()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from None


def encode(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def payload_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(token):
    return payload_of("." + token.split(".")[0])


def forged(token):
    """What somebody without the provider's keys can make of a good token: {name: token}."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    header, payload = header_of(token), payload_of(token)
    signature = token.split(".")[2]
    own = ec.generate_private_key(ec.SECP256R1())
    numbers = own.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big"))}

    def der_signed(part):
        return part + "." + encode(own.sign(part.encode(), ec.ECDSA(hashes.SHA256())))

    whole = payload | {"sub": "somebody else", "groups": ["bots", "admins"]}
    return {
        "none": encode({"alg": "none"}) + "." + encode(whole) + ".",
        "changed": encode(header) + "." + encode(whole) + "." + signature,
        "other-key": der_signed(encode(header) + "." + encode(payload)),
        "own-key": der_signed(encode(header | {"jwk": jwk}) + "." + encode(whole)),
        "unknown-key": der_signed(encode(header | {"kid": "mine"}) + "." + encode(whole)),
        "hmac": encode({"alg": "HS256", "kid": header["kid"]}) + "." + encode(whole) + "." + encode(b"0" * 32),
        "cut": token[:-10],
        "twice": token + "." + token,
        "empty": ".." ,
    }


def secrets_of(key):
    """What somebody may take for the secret of an HMAC: a public key, in each of the forms in which it goes around."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    def number(name):
        return int.from_bytes(base64.urlsafe_b64decode(key[name] + "=="), "big")

    if key["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
    else:
        public = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, form)
    return {"PEM": pem, "PEM without its end": pem.strip(), "DER": public.public_bytes(serialization.Encoding.DER, form),
            "JWK": json.dumps(key).encode(), "id": key["kid"].encode(), "nothing": b""}


def confused(token, keys):
    """A good token's claims under headers that take the provider's public keys for another kind: {name: token}."""
    header, payload, signature = header_of(token), *token.split(".")[1:]
    out = {}

    def add(name, header, secret, function):
        part = encode(header) + "." + payload
        out[name] = part + "." + encode(hmac.new(secret, part.encode(), function).digest())

    for kind in ("RS256", "ES256"):
        named = {"typ": "JWT", "kid": keys[kind]["kid"]}
        for form, secret in secrets_of(keys[kind]).items():
            add(f"HS256 with the {form} of {kind}", named | {"alg": "HS256"}, secret, hashlib.sha256)
            add(f"HS512 with the {form} of {kind}", named | {"alg": "HS512"}, secret, hashlib.sha512)
            add(f"an HMAC with the {form} that calls itself {kind}", named | {"alg": kind}, secret, hashlib.sha256)
    for algorithm in ("ES256", "ES384", "EdDSA", "RS256", "PS256"):
        if algorithm != header["alg"]:
            out[f"as if it were {algorithm}"] = encode(header | {"alg": algorithm}) + "." + payload + "." + signature
            out[f"as if by the key of {algorithm}"] = encode(header | {"kid": keys[algorithm]["kid"]}) + "." + payload + "." + signature
    for algorithm in ("none", "None", "NONE", "", None, ["none"]):
        out[f"without a signature, {algorithm!r}"] = encode(header | {"alg": algorithm}) + "." + payload + "."
    return out


def rewrite(path, text):
    """Replaces a file as a projected token is: whole, and readable by nobody else."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    os.replace(fresh, path)
    time.sleep(0.01)
