# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium for nibble's pages: opens a file, tells what went wrong, runs script in it, takes screenshots.

Chromium is driven by its DevTools protocol over a pipe; it has no network (every host name fails to resolve).
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
         "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--force-color-profile=srgb", "--font-render-hinting=none", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--remote-debugging-pipe")


def program():
    """The browser of this machine, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """What a file looked like when it had loaded."""

    def __init__(self, browser, session, requests, messages):
        self.browser, self.session, self.requests, self.messages = browser, session, requests, messages

    def evaluate(self, expression):
        answer = self.browser.call("Runtime.evaluate", self.session, expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def theme(self, name):
        """"light" or "dark": what the reader's system prefers."""
        self.browser.call("Emulation.setEmulatedMedia", self.session, features=[{"name": "prefers-color-scheme", "value": name}])
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def screenshot(self, file, clip=None, quality=None):
        """The whole page, or clip = (x, y, width, height), as PNG; with `quality` as WebP."""
        box = clip or (0, 0, self.evaluate("innerWidth"), self.evaluate("document.documentElement.scrollHeight"))
        kind = {"format": "webp", "quality": quality} if quality else {"format": "png"}
        answer = self.browser.call("Page.captureScreenshot", self.session, captureBeyondViewport=True,
                                   clip=dict(zip(("x", "y", "width", "height"), box), scale=1), **kind)
        pathlib.Path(file).write_bytes(base64.b64decode(answer["data"]))


class Browser:
    """with Browser() as browser: browser.open("report.html")"""

    def __enter__(self):
        path = program()
        if not path:
            raise FileNotFoundError("no Chromium: scripts/setup.sh installs chromium-headless-shell")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_child, self.output = os.pipe()
        self.input, from_child = os.pipe()

        def three_and_four():
            # The protocol is on descriptors 3 and 4; copies first, lest one overwrites the other.
            low, high = os.dup(to_child), os.dup(from_child)
            os.dup2(low, 3)
            os.dup2(high, 4)

        self.process = subprocess.Popen([path, *FLAGS, f"--user-data-dir={self.profile.name}"], preexec_fn=three_and_four,
                                        close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.number, self.buffer, self.events = 0, b"", []
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.input)
        os.close(self.output)
        self.profile.cleanup()

    def _message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.input, 1 << 16)
            if not part:
                raise RuntimeError("the browser ended")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.output, data):]
        while True:
            answer = self._message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._message())

    def open(self, file, width=1280, height=900, theme="light"):
        """Opens a file and waits until it has loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable", session)
        self.call("Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": theme}])
        self.events = []
        self.call("Page.navigate", session, url=pathlib.Path(file).resolve().as_uri())
        self._wait("Page.loadEventFired")
        page = Page(self, session, [], [])
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.collect(page)
        return page

    def collect(self, page):
        """Adds what has happened since to the page's requests and messages."""
        for event in self.events:
            parameters = event.get("params", {})
            if event["method"] == "Network.requestWillBeSent":
                page.requests.append(parameters["request"]["url"])
            elif event["method"] == "Runtime.exceptionThrown":
                page.messages.append(parameters["exceptionDetails"].get("exception", {}).get("description") or
                                     parameters["exceptionDetails"]["text"])
            elif event["method"] == "Runtime.consoleAPICalled":
                page.messages.append(" ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))
            elif event["method"] == "Log.entryAdded":
                page.messages.append(parameters["entry"]["text"])
        self.events = []
