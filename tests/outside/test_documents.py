"""Documents, with the real binary: files as other programs write them, read in the child process, found and answered from."""

import asyncio
import io
import os
import signal
import subprocess
import time
import zipfile

import httpx
import pytest

from headwater import Server, binary

ROOT = "/api/v1/documents"


def pdf(*pages: str) -> bytes:
    """A PDF written by hand: one line of text a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(pages):
        program = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(program)} >>\nstream\n{program}\nendstream",
        ]
    out, offsets = b"%PDF-1.4\n", []
    for n, one in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{n} 0 obj\n{one}\nendobj\n".encode()
    table = "".join(f"{at:010} 00000 n \n" for at in offsets)
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def docx(*paragraphs: tuple[str, str]) -> bytes:
    """A DOCX written by hand: style and text of each paragraph."""
    body = "".join(f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>' for style, text in paragraphs)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>')
        archive.writestr("word/document.xml", f'<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>')
    return out.getvalue()


def bomb() -> bytes:
    """100 MB of one letter, in 100 KB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w:document><w:p><w:t>" + b"a" * 100_000_000)
    return out.getvalue()


def client(server: Server, user: str = "ann") -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.token(user)}"}, trust_env=False, timeout=60)


def upload(http: httpx.Client, name: str, content: bytes, **query) -> httpx.Response:
    return http.post(f"{ROOT}/upload", params=query, files={"file": (name, content)})


def until_over(http: httpx.Client, place: str) -> dict:
    for _ in range(600):
        state = http.get(place).json()
        if state["status"] in ("done", "failed"):
            return state
        time.sleep(0.05)  # polls an outside process
    raise AssertionError(f"not over: {state}")


def test_files_are_read_found_and_answered_from(server):
    with client(server) as http:
        answer = upload(http, "manual.pdf", pdf("The zeppelin hangar opens at seven.", "Its pilot is called Eckener."), wait="false")
        assert answer.status_code == 202, answer.text
        state = until_over(http, answer.headers["location"])
        assert state["status"] == "done" and state["chunks_done"] == state["chunks_total"] > 0, state
        answer = upload(http, "notes.docx", docx(("Heading1", "Ballast"), ("", "The ballast tank holds nine tons of water.")))
        assert answer.status_code == 200 and answer.json()["chunking_strategy"] == "markdown", answer.text

        def search(query):
            found = http.post(f"{ROOT}/search", json={"query": query, "top_k": 1, "min_score": 0.1}).json()["results"][0]
            return found["source"], found["content"], found["metadata"]["heading"], found["metadata"]["content_type"]

        assert search("zeppelin hangar pilot")[:2] == ("manual.pdf", "The zeppelin hangar opens at seven.\n\nIts pilot is called Eckener.")
        source, content, heading, kind = search("ballast tank tons")
        assert (source, content, heading) == ("notes.docx", "The ballast tank holds nine tons of water.", "Ballast")
        assert kind.endswith("wordprocessingml.document")
        # The chat answers from it: the scripted model says fixed words, the passages are what it was given.
        chat = http.post("/api/v1/chat", json={"message": "When does the zeppelin hangar open?"}).json()
        events = http.get(f"/api/runs/{chat['run_id']}/events", headers={"Accept": "application/json"}).json()["events"]
        sources = [s["source"] for e in events if e["type"] == "retrieved" for s in e["sources"]]
        assert sources and sources[0] == "manual.pdf", sources
    with client(server, "ben") as other:
        chat = other.post("/api/v1/chat", json={"message": "When does the zeppelin hangar open?"}).json()
        events = other.get(f"/api/runs/{chat['run_id']}/events", headers={"Accept": "application/json"}).json()["events"]
        assert "manual.pdf" not in str(events)


@pytest.mark.parametrize("name, content, why", [
    ("scan.pdf", pdf(""), "is it a scan?"),
    ("broken.pdf", pdf("x")[:70], "damaged"),
    ("nested.pdf", b"%PDF-1.4\n1 0 obj\n" + b"[" * 2_000_000, "damaged"),
    ("bomb.docx", bomb(), "damaged"),
    ("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "password"),
])
def test_hostile_files_are_refused_and_nobody_notices(server, name, content, why):
    with client(server) as http:
        answer = upload(http, name, content)
        assert answer.status_code == 400 and why in answer.json()["detail"], answer.text
        assert http.get("/health/ready").status_code == 200
        assert not any((server.data / "uploads").iterdir())


def test_a_crash_leaves_no_file_behind(tmp_path):
    data = tmp_path / "data"
    with Server(data, tokens=3) as server:
        host, port = server.url.removeprefix("http://").split(":")

        async def half():
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"POST {ROOT}/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token('ann')}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n"
            writer.write(head.encode() + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf')
            await writer.drain()
            for _ in range(200):
                if any((data / "uploads").iterdir()):
                    break
                await asyncio.sleep(0.02)  # polls an outside process
            os.kill(server.process.pid, signal.SIGKILL)
            writer.close()

        asyncio.run(half())
        server.kill()
    assert any((data / "uploads").iterdir()), "the file was under way"
    with Server(data, tokens=3) as server:
        assert not any((data / "uploads").iterdir())
        with client(server) as http:
            assert "a.txt" not in http.get(f"{ROOT}/").text


def test_the_reading_process_bounds_itself_before_it_reads(tmp_path):
    """A pipe that nobody writes to holds it at its first byte; by then it may have no more than this."""
    pipe = tmp_path / "pipe.pdf"
    os.mkfifo(pipe)
    child = subprocess.Popen([binary(), "extract", "pdf", pipe], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={})
    try:
        limits = ""
        for _ in range(200):
            limits = " ".join(open(f"/proc/{child.pid}/limits").read().split())
            if "Max core file size 0 0" in limits:
                break
            time.sleep(0.02)  # polls an outside process
        for bound in ("Max address space 1073741824 1073741824", "Max cpu time 60 60", "Max file size 0 0", "Max core file size 0 0"):
            assert bound in limits, f"{bound}: {limits}"
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()
