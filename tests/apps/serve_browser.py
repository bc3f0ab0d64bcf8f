#!/usr/bin/env python3
"""Uses the page of `limn serve` as people do, in a headless Chromium: types, clicks, drops a picture, paints.

    apt-get install chromium chromium-driver
    python3 tests/apps/serve_browser.py PROGRAM INDEX "WORDS" FOLDER PICTURE PICTURE

e.g. build/release/bin/limn photos.idx "a dog" shots photos/kitchen.jpg photos/noodles.jpg. The pictures are searched
by, and painted, the first in the style of the second. Screenshots go to FOLDER, for eyes. Speaks to chromedriver by the
WebDriver protocol (https://www.w3.org/TR/webdriver2/), with nothing but Python's own library.
"""

import base64
import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER = "\ue007"


class Browser:
    def __init__(self, folder):
        self.folder = folder
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.base = "http://127.0.0.1:" + line.rstrip().rstrip(".").split()[-1]
                break
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]}
        wish = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.session = "/session/" + self.send("/session", wish)["sessionId"]

    def send(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"FAIL  {path}: {json.load(error)['value']['message']}") from None

    def ask(self, what, body=None):
        return self.send(self.session + what, body)

    def open(self, address):
        self.ask("/url", {"url": address})

    def run(self, script):
        return self.ask("/execute/sync", {"script": "return " + script, "args": []})

    def element(self, selector):
        return "/element/" + self.ask("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.ask(self.element(selector) + "/click", {})

    def type(self, selector, text):
        self.ask(self.element(selector) + "/value", {"text": text})

    def until(self, what, script, seconds=60):
        """Waits until `script` gives something, and gives it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(script):
                print("ok   ", what)
                return value
            time.sleep(0.05)
        self.look("failed")
        raise SystemExit(f"FAIL  {what}: not within {seconds} s; the page says: {self.run(STATUS)!r}")

    def look(self, name):
        (self.folder / f"{name}.png").write_bytes(base64.b64decode(self.ask("/screenshot")))

    def close(self):
        if hasattr(self, "session"):
            urllib.request.urlopen(urllib.request.Request(self.base + self.session, method="DELETE"), timeout=30)
        self.driver.terminate()
        self.driver.wait()


IDS = "[...document.querySelectorAll('figure')].map(f => f.dataset.id)"
STATUS = "document.getElementById('status').textContent"


def differ(before):
    """The pictures in sight, once they are others than before."""
    return f"(ids => ids.length && JSON.stringify(ids) !== {json.dumps(json.dumps(before, separators=(',', ':')))} && ids)({IDS})"


def use(page, address, words, pictures):
    page.open(address)
    page.until("first sight: the index is named, no results yet", f"{STATUS}.includes('pictures in') && !{IDS}.length")
    page.look("first")

    page.type("#words", words)
    found = page.until("typed words find pictures", differ([]))
    page.look("search")
    page.open(page.run("location.href"))
    page.until("the same address again: the same pictures",
               f"JSON.stringify({IDS}) === {json.dumps(json.dumps(found, separators=(',', ':')))}")

    page.type("#not", "people")
    page.until("unwanted words change the order", differ(found))
    page.open(address + "?q=" + urllib.request.quote(words))
    page.until("an address with words", differ([]))
    if page.run("document.getElementById('rerank').parentNode.style.display !== 'none'"):
        page.click("#rerank")
        page.until("read closely: each says how well it fits",
                   "[...document.querySelectorAll('figcaption')].some(c => c.textContent.startsWith('match '))")

    first = page.run(IDS + "[0]")
    seen = page.run(IDS)
    page.click("figure button")
    like = page.until("more like this, clicked: other pictures", differ(seen))
    assert first not in like, "FAIL  a picture is like itself"
    page.look("like")

    # A file cannot be dropped from outside; the page is given one as a drop gives it.
    data = base64.b64encode(pictures[0].read_bytes()).decode()
    page.run("(bytes => { const d = new DataTransfer(); d.items.add(new File([bytes], 'a.jpg', {type: 'image/jpeg'}));"
             " document.dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true, cancelable: true})); return 1; })"
             f"(Uint8Array.from(atob('{data}'), c => c.charCodeAt(0)))")
    page.until("a dropped picture is looked for", differ(like))
    page.until("and described",
               "(t => t && !t.includes('describing') && t)(document.getElementById('captions').textContent)")
    page.type("#text", words + ENTER)
    page.until("and matched with a sentence", "document.getElementById('fits').textContent.includes(': ')")
    page.look("dropped")


def paint(page, address, pictures):
    painted = "(p => p !== window.before && (window.before = p))(document.getElementById('painted').src)"
    page.open(address + "#stylize")
    page.until("the tab that paints is in sight, results are not",
               "!document.getElementById('paint').hidden && document.getElementById('results').hidden")
    page.run("(window.before = document.getElementById('painted').src, 1)")
    page.ask(page.element("#size") + "/value", {"text": "512"})
    page.type("#content input[type=file]", str(pictures[0].resolve()))
    page.type("#style input[type=file]", str(pictures[1].resolve()))
    page.until("a content and a style: a picture", painted)
    page.look("painted")
    page.type("#style-text", "red and black dots" + ENTER)
    page.until("a style in words beside it: another picture", painted)
    page.until("shares of both are told", "document.getElementById('shares').textContent.includes('50 %, 50 %')")
    page.run("(s => { s.value = 100; s.oninput(); return 1; })(document.querySelector('#style .item input'))")
    page.until("a share that is moved: another picture", painted)
    page.until("the shares follow", "document.getElementById('shares').textContent.includes('67 %, 33 %')")
    page.look("painted-words")
    page.click("#style .item button")
    page.until("a style that is taken out: another picture", painted)


def main():
    if len(sys.argv) != 7:
        raise SystemExit(__doc__)
    program, index, words = sys.argv[1:4]
    folder, pictures = pathlib.Path(sys.argv[4]), [pathlib.Path(p) for p in sys.argv[5:]]
    folder.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen([program, "serve", index, "--port", "0", "-q"], stdout=subprocess.PIPE, text=True)
    page = None
    try:
        address = server.stdout.readline().strip()
        if not address:
            raise SystemExit("FAIL  the server did not start")
        page = Browser(folder)
        use(page, address, words, pictures)
        paint(page, address, pictures)
    finally:
        if page:
            page.close()
        server.terminate()
        server.wait()
    print("PASS")


main()
