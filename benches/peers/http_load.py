"""Photos over HTTP on 127.0.0.1, from clients with a connection each, and how many are answered a second."""

import socket
import threading
import time


class Client:
    """A connection that is kept; as little work as can be, for it shares the cores with the server."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = b""

    def post(self, photo: bytes) -> int:
        head = (
            b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: %d\r\n\r\n" % len(photo)
        )
        self.socket.sendall(head + photo)
        return self.answer()

    def answer(self) -> int:
        data = self.waiting
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self.receive()
        self.waiting = body[length:]
        return int(lines[0].split()[1])

    def receive(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


def images_per_second(ports: list[int], photos: list[bytes], clients: int, count: int) -> float:
    """Sends `count` photos in all, the clients spread evenly; each must be answered with 200."""
    lock, sent, failed = threading.Lock(), 0, []

    def work(number):
        nonlocal sent
        try:
            client = Client(ports[number % len(ports)])
            while True:
                with lock:
                    if sent == count:
                        return
                    index, sent = sent, sent + 1
                status = client.post(photos[index % len(photos)])
                if status != 200:
                    failed.append(f"status {status}")
                    return
        except OSError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=work, args=[number]) for number in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{len(failed)} clients failed: {failed[0]}")
    return count / (time.perf_counter() - started)
