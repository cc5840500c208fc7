//! An upload's body: its file goes to the disk as it comes, its other fields are kept, and it has to keep
//! coming.

use std::fs::File;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use headwater_core::limit;
use headwater_core::port::extract::Format;
use headwater_engine::documents::Upload;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::multipart::{Parser, Piece, border};
use crate::http::refusal::Refusal;
use crate::http::validate::Problems;

/// A form that came whole; its file is where the upload keeps it.
pub(super) struct Received {
    /// The file's name, made harmless.
    pub filename: String,
    pub format: Format,
    /// The other fields.
    pub fields: Map<String, Value>,
}

/// Receives a form whose field `file` is the document.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut body: Body,
    upload: &Upload,
    file: File,
) -> Result<Received, Refusal> {
    let received = match begin(headers) {
        Ok(border) => form(&mut body, &border, upload, file).await,
        Err(refusal) => Err(refusal),
    };
    match received {
        Ok(received) => Ok(received),
        Err(refusal) => Err(turn_away(headers, body, refusal).await),
    }
}

/// What can be said by the head alone.
fn begin(headers: &HeaderMap) -> Result<String, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let border = match border(kind) {
        Some(Ok(border)) => border,
        Some(Err(_)) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "Missing boundary in multipart.")),
        None => return Err(no_file()),
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if length.is_some_and(|length: u64| length > limit::UPLOAD_BYTES + limit::UPLOAD_OVERHEAD) {
        return Err(too_large());
    }
    Ok(border)
}

/// Reads and throws away what a refused client still sends, within bounds, so that one which writes all
/// before it reads hears why; after that the connection ends.
pub(super) async fn turn_away(headers: &HeaderMap, mut body: Body, refusal: Refusal) -> Refusal {
    // Who asks first has sent nothing yet, and will not.
    if !headers.contains_key(EXPECT) {
        let discard = async {
            let mut left = limit::UPLOAD_DISCARD;
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(bytes) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(limit::UPLOAD_DISCARD_TIME, discard).await;
    }
    refusal.and_close()
}

fn no_file() -> Refusal {
    Problems::of_part("missing", "file", "Field required").into()
}

fn malformed() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "There was an error parsing the body")
}

fn too_large() -> Refusal {
    let most = limit::UPLOAD_BYTES / (1024 * 1024);
    Refusal::new(StatusCode::BAD_REQUEST, format!("File too large (max {most}MB)"))
}

fn unstored(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "an upload cannot be written");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Uploads cannot be stored now")
}

/// The part that is open.
enum Open {
    None,
    /// A part that nobody asked for.
    Other,
    File,
    Field(String, Vec<u8>),
}

async fn form(body: &mut Body, border: &str, upload: &Upload, file: File) -> Result<Received, Refusal> {
    let mut parser = Parser::new(border);
    let mut file = tokio::fs::File::from_std(file);
    let mut pace = Pace::new();
    let (mut open, mut parts) = (Open::None, 0);
    let (mut found, mut bytes, mut fields) = (None, 0_u64, Map::new());
    while let Some(data) = pace.next(body).await? {
        parser.feed(&data);
        while let Some(piece) = parser.next().map_err(|_| malformed())? {
            match piece {
                Piece::Begin(head) => {
                    parts += 1;
                    if parts > limit::UPLOAD_FIELDS {
                        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Too many fields"));
                    }
                    open = match (head.name.as_str(), head.filename) {
                        ("file", Some(name)) if !name.is_empty() => {
                            if found.is_some() {
                                return Err(Refusal::new(StatusCode::BAD_REQUEST, "More than one file"));
                            }
                            let name = harmless(&name);
                            upload.named(&name);
                            // Said at once, and not after 50 MB.
                            let format = Format::of_name(&name).ok_or_else(|| {
                                let why = format!("Unsupported file format: {name}");
                                Refusal::new(StatusCode::BAD_REQUEST, why)
                            })?;
                            found = Some((name, format));
                            Open::File
                        }
                        (_, Some(_)) => Open::Other,
                        (_, None) => Open::Field(head.name, Vec::new()),
                    }
                }
                Piece::Data(data) => match &mut open {
                    Open::File => {
                        bytes += data.len() as u64;
                        if bytes > limit::UPLOAD_BYTES {
                            return Err(too_large());
                        }
                        file.write_all(&data).await.map_err(|e| unstored(&e))?;
                    }
                    Open::Field(_, value) if value.len() + data.len() > limit::UPLOAD_FIELD_BYTES => {
                        return Err(Refusal::new(StatusCode::BAD_REQUEST, "A field is too long"));
                    }
                    Open::Field(_, value) => value.extend_from_slice(&data),
                    Open::None | Open::Other => {}
                },
                Piece::End => {
                    if let Open::Field(name, value) = std::mem::replace(&mut open, Open::None) {
                        let value = String::from_utf8(value).map_err(|_| malformed())?;
                        fields.insert(name, Value::String(value));
                    }
                }
            }
        }
    }
    if !parser.is_over() {
        return Err(malformed());
    }
    file.flush().await.map_err(|e| unstored(&e))?;
    let Some((filename, format)) = found else {
        return Err(match fields.get("file") {
            Some(_) => {
                let msg = "Value error, Expected UploadFile, received: <class 'str'>";
                Problems::of_part("value_error", "file", msg).into()
            }
            None => no_file(),
        });
    };
    if bytes == 0 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Empty file"));
    }
    Ok(Received { filename, format, fields })
}

/// Sees to it that an upload keeps coming.
struct Pace {
    began: Instant,
    bytes: u64,
}

impl Pace {
    fn new() -> Self {
        Self { began: Instant::now(), bytes: 0 }
    }

    /// The next bytes of the body; `None` at its end.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, Refusal> {
        loop {
            let earned = Duration::from_secs(self.bytes / limit::UPLOAD_PACE);
            let until = (Instant::now() + limit::UPLOAD_STALL).min(self.began + limit::UPLOAD_GRACE + earned);
            let data = match tokio::time::timeout_at(until, body.frame()).await {
                Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The upload stood still")),
                Ok(Some(Err(_))) => {
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, "The upload broke off"));
                }
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            self.bytes += data.len() as u64;
            if self.bytes > limit::UPLOAD_BYTES + limit::UPLOAD_OVERHEAD {
                return Err(too_large());
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

/// A file's name without its folders, on whatever system it was, without control characters, and short. It
/// is shown and listed, never opened.
fn harmless(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    // Cut at the front, so that the ending stays.
    let mut front = clean.len().saturating_sub(NAME_BYTES);
    while !clean.is_char_boundary(front) {
        front += 1;
    }
    clean[front..].to_owned()
}

/// Bytes of a file's name; what file systems allow.
const NAME_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_harmless() {
        for (name, clean) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd.txt", "passwd.txt"),
            (r"C:\Users\ann\a b.md", "a b.md"),
            ("a\0\r\n\u{1b}[2Jb.txt", "a[2Jb.txt"),
            (" ../ ", ""),
            ("", ""),
        ] {
            assert_eq!(harmless(name), clean);
        }
        let long = harmless(&format!("{}.pdf", "é".repeat(500)));
        assert!(long.len() <= NAME_BYTES && long.ends_with("é.pdf"), "{long}");
    }
}
