"""Real resolvers for tests on loopback (unbound, dnsmasq), and DNS messages made and read by hand."""

import os
import signal
import socket
import struct
import subprocess

import throwaway

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "RP": 17, "AAAA": 28, "LOC": 29, "SRV": 33, "NAPTR": 35,
         "CERT": 37, "DNAME": 39, "DS": 43, "SSHFP": 44, "DNSKEY": 48, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "AXFR": 252, "ANY": 255, "URI": 256,
         "CAA": 257}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
RD, AD, CD = 0x0100, 0x0020, 0x0010
TRUNCATED = 0x0200


def make_query(name, kind, edns=None, dnssec=False, flags=RD, number=1, options=b"", version=0):
    """A query's bytes; `edns` is the size of datagrams that it offers."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    message = struct.pack("!HHHHHH", number, flags, 1, 0, 0, edns is not None) + labels + b"\0" + struct.pack("!HH", TYPES[kind], 1)
    if edns is not None:
        message += struct.pack("!BHHBBHH", 0, 41, edns, 0, version, 0x8000 if dnssec else 0, len(options)) + options
    return message


def code_of(message):
    return struct.unpack("!H", message[2:4])[0] & 0xF


def is_truncated(message):
    return bool(struct.unpack("!H", message[2:4])[0] & TRUNCATED)


def extended_error(message):
    """(info code, text) of an answer of assent's own (RFC 8914): the only option of its EDNS, which offers 1232 bytes."""
    at = message.index(b"\0\0\x29\x04\xd0", 12) + 11
    option, size = struct.unpack("!HH", message[at:at + 4])
    assert option == 15, message
    return struct.unpack("!H", message[at + 4:at + 6])[0], message[at + 6:at + 4 + size].decode()


def exchange(server, query, transport="udp", seconds=5):
    """The answer of a server to a query, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM) as asker:
        asker.settimeout(seconds)
        asker.connect(server)
        if transport == "udp":
            asker.send(query)
            return asker.recv(65535)
        asker.sendall(struct.pack("!H", len(query)) + query)
        with asker.makefile("rb") as stream:
            return stream.read(struct.unpack("!H", stream.read(2))[0])


def _wait_for(process, port, what):
    def answers():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode}")
        try:
            return exchange(("127.0.0.1", port), make_query("ready.test", "A"), seconds=0.2)
        except OSError:
            return None

    throwaway.wait_until(answers, 20, f"{what} answers")


class _Server:
    def _start(self, command, what):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=throwaway._die_with_parent)
        self.stop = throwaway.cleanup().add(throwaway.stop_process, self.process)
        _wait_for(self.process, self.port, what)

    @property
    def address(self):
        return ("127.0.0.1", self.port)


class Unbound(_Server):
    """Answers from `data` (lines as of a zone file) in the zones named, and NXDOMAIN for all other names."""

    def __init__(self, zones, data, name="unbound"):
        self.port = throwaway.free_port()
        folder = throwaway.folder() / name
        folder.mkdir()
        lines = ["server:", f"interface: 127.0.0.1@{self.port}", f"port: {self.port}", "do-daemonize: no", "use-syslog: no", 'username: ""', 'chroot: ""',
                 'pidfile: ""', f'directory: "{folder}"', "rrset-roundrobin: no", "edns-buffer-size: 4096", "max-udp-size: 4096", 'module-config: "iterator"',
                 "num-threads: 1", 'local-zone: "." static', *(f'local-zone: "{zone}" {kind}' for zone, kind in zones.items()),
                 *(f"local-data: '{record}'" for record in data), "remote-control:", "control-enable: no"]
        config = folder / "unbound.conf"
        config.write_text("\n".join(lines) + "\n")
        self._start(["/usr/sbin/unbound", "-d", "-c", str(config)], "unbound")


class Dnsmasq(_Server):
    """Answers from a hosts file that can be changed."""

    def __init__(self, hosts, name="dnsmasq"):
        self.port = throwaway.free_port()
        self.hosts = throwaway.folder() / f"{name}.hosts"
        self.hosts.write_text(hosts)
        self._start(["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={self.port}", "--listen-address=127.0.0.1",
                     "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/test/", f"--addn-hosts={self.hosts}", "--local-ttl=1", "--pid-file=", "--user=root"], "dnsmasq")

    def change(self, hosts):
        self.hosts.write_text(hosts)
        os.kill(self.process.pid, signal.SIGHUP)
