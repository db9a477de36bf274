#!/usr/bin/python3
"""The other host: answers every connection with the line that it gets, and captures what arrives on its interface.

    far_side.py INTERFACE PORT

Prints "ready", and at the end of its standard input one line of JSON: `arrived`: {address: [source ports that a SYN came from]},
`said`: {address: [lines]}, `others`: what else came that is neither of those connections' nor a neighbour's question."""

import json
import selectors
import socket
import struct
import sys

ETH_P_ALL, ETH_IPV4, ETH_ARP, ETH_IPV6, TCP, ICMPV6 = 3, 0x0800, 0x0806, 0x86DD, 6, 58
SYN, ACK = 2, 16


def main():
    interface, port = sys.argv[1], int(sys.argv[2])
    arrived, said, others, lines = {}, {}, [], {}
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    capture.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE: nothing may be lost
    capture.bind((interface, 0))
    capture.setblocking(False)
    listener = socket.create_server(("0.0.0.0", port), backlog=1024)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()

    def look(frame, kind):
        ether = struct.unpack("!H", frame[12:14])[0]
        if kind == socket.PACKET_OUTGOING or ether == ETH_ARP:
            return
        if ether == ETH_IPV6 and frame[20] in (0, ICMPV6):
            return
        if ether != ETH_IPV4 or frame[23] != TCP:
            others.append(frame[:64].hex())
            return
        tcp = 14 + (frame[14] & 15) * 4
        source, to, flags = *struct.unpack("!HH", frame[tcp:tcp + 4]), frame[tcp + 13]
        address = socket.inet_ntoa(frame[30:34])
        if to != port:
            others.append(frame[:64].hex())
        elif flags & SYN and not flags & ACK and source not in arrived.setdefault(address, []):
            arrived[address].append(source)

    def read_capture(_):
        while True:
            try:
                frame, where = capture.recvfrom(65535)
            except BlockingIOError:
                return
            look(frame, where[2])

    def accept(_):
        connection, _ = listener.accept()
        connection.setblocking(False)
        lines[connection] = b""
        selector.register(connection, selectors.EVENT_READ, answer)

    def answer(connection):
        try:
            data = connection.recv(1000)
        except OSError:
            data = b""
        lines[connection] += data
        if data and not data.endswith(b"\n"):
            return
        if data:
            said.setdefault(connection.getsockname()[0], []).append(lines[connection].decode().strip())
            connection.send(lines[connection])
            lines[connection] = b""
            return
        selector.unregister(connection)
        del lines[connection]
        connection.close()

    selector.register(capture, selectors.EVENT_READ, read_capture)
    selector.register(listener, selectors.EVENT_READ, accept)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                read_capture(None)
                dropped = struct.unpack("II", capture.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
                print(json.dumps({"arrived": arrived, "said": said, "others": others, "dropped": dropped}), flush=True)
                return
            key.data(key.fileobj)


main()
