//! A raw client: what it sees is what was on the wire.

use std::io;
use std::time::Duration;

use headwater_fake_provider::{Fake, Format};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) head: String,
    /// The pieces of the body, as they were written.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// How the connection ended: what was said (`Ok(true)`: the end of the body), or the error.
    pub(crate) end: Result<bool, io::ErrorKind>,
}

impl Answer {
    pub(crate) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// Where a format is asked for a stream, and with what.
pub(crate) fn asked(format: Format, model: &str, stream: bool) -> (String, Value) {
    let said = json!([{"role": "user", "content": "Hello"}]);
    match format {
        Format::Anthropic => (
            "/v1/messages".into(),
            json!({"model": model, "messages": said, "max_tokens": 100, "stream": stream}),
        ),
        Format::OpenAi => (
            "/v1/chat/completions".into(),
            json!({"model": model, "messages": said, "stream": stream, "stream_options": {"include_usage": true}}),
        ),
        Format::Responses => {
            ("/v1/responses".into(), json!({"model": model, "input": said, "stream": stream}))
        }
        Format::Gemini => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let contents = json!([{"role": "user", "parts": [{"text": "Hello"}]}]);
            (format!("/v1beta/models/{model}:{verb}"), json!({"contents": contents}))
        }
        Format::Ollama => ("/api/chat".into(), json!({"model": model, "messages": said, "stream": stream})),
    }
}

/// Sends a request and leaves the reading to whoever has it.
pub(crate) async fn send(fake: &Fake, method: &str, path: &str, more: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: fake\r\nanthropic-version: 2023-06-01\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    );
    // A host that has reset the connection by now is seen when its answer is read.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    stream
}

pub(crate) async fn ask(fake: &Fake, format: Format) -> Answer {
    ask_model(fake, format, "fake-model").await
}

pub(crate) async fn ask_model(fake: &Fake, format: Format, model: &str) -> Answer {
    let (path, body) = asked(format, model, true);
    read(send(fake, "POST", &path, "", &body.to_string()).await).await
}

pub(crate) async fn get(fake: &Fake, path: &str) -> Answer {
    read(send(fake, "GET", path, "", "").await).await
}

pub(crate) async fn post(fake: &Fake, path: &str, body: &Value) -> Answer {
    read(send(fake, "POST", path, "", &body.to_string()).await).await
}

/// Reads an answer to its end.
pub(crate) async fn read(stream: TcpStream) -> Answer {
    let mut reader = Reader { stream, buffer: Vec::new() };
    let mut answer = Answer { status: 0, head: String::new(), pieces: Vec::new(), end: Ok(false) };
    answer.end = reader.answer(&mut answer).await;
    answer
}

pub(crate) struct Reader {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

impl Reader {
    /// Reads more; false at the end.
    pub(crate) async fn more(&mut self) -> Result<bool, io::ErrorKind> {
        let read =
            tokio::time::timeout(Duration::from_secs(20), self.stream.read_buf(&mut self.buffer)).await;
        Ok(read.expect("the fake fell silent").map_err(|e| e.kind())? > 0)
    }

    async fn line(&mut self) -> Result<Option<String>, io::ErrorKind> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect::<Vec<_>>();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    async fn exactly(&mut self, size: usize) -> Result<Option<Vec<u8>>, io::ErrorKind> {
        while self.buffer.len() < size {
            if !self.more().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer.drain(..size).collect()))
    }

    async fn answer(&mut self, answer: &mut Answer) -> Result<bool, io::ErrorKind> {
        let Some(first) = self.line().await? else { return Ok(false) };
        answer.status = first.split(' ').nth(1).unwrap().parse().unwrap();
        loop {
            let Some(line) = self.line().await? else { return Ok(false) };
            if line.is_empty() {
                break;
            }
            answer.head.push_str(&line.to_lowercase());
            answer.head.push('\n');
        }
        if let Some(length) = answer.head.lines().find_map(|l| l.strip_prefix("content-length: ")) {
            let Some(body) = self.exactly(length.parse().unwrap()).await? else { return Ok(false) };
            answer.pieces.push(body);
            return Ok(true);
        }
        loop {
            let Some(size) = self.line().await? else { return Ok(false) };
            let size = usize::from_str_radix(&size, 16).unwrap();
            let Some(mut piece) = self.exactly(size + 2).await? else { return Ok(false) };
            piece.truncate(size);
            if size == 0 {
                return Ok(true);
            }
            answer.pieces.push(piece);
        }
    }
}

/// The data of all events, with their names; of lines with none.
pub(crate) fn events(text: &str) -> Vec<(Option<String>, String)> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if !text.contains("data: ") {
        return text.lines().map(|l| (None, l.to_owned())).collect();
    }
    let mut events = Vec::new();
    for block in text.split_terminator("\n\n") {
        let name = block.lines().find_map(|l| l.strip_prefix("event: ").map(str::to_owned));
        if let Some(data) = block.lines().find_map(|l| l.strip_prefix("data: ")) {
            events.push((name, data.to_owned()));
        }
    }
    events
}

/// All events as JSON; `[DONE]` is left out.
pub(crate) fn values(text: &str) -> Vec<Value> {
    let data = events(text).into_iter().map(|(_, data)| data).filter(|d| d != "[DONE]");
    data.map(|d| serde_json::from_str(&d).unwrap_or_else(|e| panic!("{e}: {d}"))).collect()
}

/// All strings at this pointer, joined.
pub(crate) fn joined(values: &[Value], pointer: &str) -> String {
    values.iter().filter_map(|v| v.pointer(pointer)?.as_str()).collect()
}
