"""Python, with nats.py and unittest: starts natspki-nats-server with certificates of its own, on a free port."""

import asyncio
import json
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest

import nats


class TestNats:
    """A server with mutual TLS, and certificates for it and for the client `alice`, in a temporary folder."""

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        init = ["natspki", "init", "--yes", "--host", "localhost", "127.0.0.1", "--client", "alice"]
        subprocess.run(init, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        options = ["-c", "nats.conf", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", "."]
        self.process = subprocess.Popen(
            ["natspki-nats-server", *options], cwd=self.folder, stderr=subprocess.DEVNULL
        )

    async def url(self):
        """Waits for the file with the ports, which the server writes when clients can connect."""
        while True:
            for file in self.folder.glob("*.ports"):
                return json.loads(file.read_text())["nats"][0]
            if self.process.poll() is not None:
                raise RuntimeError("natspki-nats-server did not start")
            await asyncio.sleep(0.01)

    def tls(self, name="alice"):
        certs = self.folder / "certs"
        context = ssl.create_default_context(cafile=certs / "ca.pem")
        context.load_cert_chain(certs / f"{name}-cert.pem", certs / f"{name}-key.pem")
        return context

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Greeting(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = TestNats()
        self.server.start()
        self.addCleanup(self.server.stop)

    async def test_answers_a_request(self):
        client = await nats.connect(await self.server.url(), tls=self.server.tls())

        async def greet(request):
            await request.respond(b"hello " + request.data)

        await client.subscribe("greet", cb=greet)
        reply = await client.request("greet", b"alice", timeout=5)
        self.assertEqual(reply.data, b"hello alice")
        await client.close()


if __name__ == "__main__":
    unittest.main()
