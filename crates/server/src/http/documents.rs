//! `/api/v1/documents/*`: `docs/documents.md`. Shapes and texts are the original's.

mod multipart;
mod receive;
pub(super) mod shapes;

use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use headwater_core::code::{Code, Error};
use headwater_core::port::extract::Format;
use headwater_core::{Principal, limit};
use headwater_engine::cut::{Cutting, Strategy};
use headwater_engine::documents::{About, Content, Upload};
use headwater_engine::ingest::{Indexed, IngestError};
use headwater_engine::retrieve::Question;
use serde_json::Map;
use tokio::sync::oneshot;

use self::shapes::{Accepted, Created, Deleted, Found, List, Progress, Stats};
use super::refusal::Refusal;
use super::validate::{Fields, JsonBody, Text};
use crate::app::App;
use crate::auth::SignedIn;

const ROOT: &str = "/api/v1/documents/";
/// A document's kind where nobody says it (observed).
const MANUAL: &str = "manual";
/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The routes. A document may have the name of a route, so each of them can be deleted.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/documents", any(with_slash))
        .route("/api/v1/documents/", get(list))
        .route("/api/v1/documents/stats", get(stats).delete(remove))
        .route("/api/v1/documents/upload", post(upload).delete(remove))
        .route("/api/v1/documents/uploads/{document_id}", get(progress).delete(remove))
        .route("/api/v1/documents/ingest-text", post(ingest_text).delete(remove))
        .route("/api/v1/documents/search", post(search).delete(remove))
        .route("/api/v1/documents/{*source}", delete(remove))
}

async fn with_slash(uri: Uri) -> Response {
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, format!("{ROOT}{query}"))]).into_response()
}

async fn list(State(app): State<App>, SignedIn(who): SignedIn) -> Result<Json<List>, Refusal> {
    Ok(Json(app.documents.list(&who.user).await?.into()))
}

async fn stats(State(app): State<App>, SignedIn(who): SignedIn) -> Result<Json<Stats>, Refusal> {
    Ok(Json(app.documents.counts(&who.user).await?.into()))
}

async fn progress(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    path: Option<Path<String>>,
) -> Result<Json<Progress>, Refusal> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let state = app.documents.upload(&who.user, &id).ok_or_else(|| Error::not_found("Upload"))?;
    Ok(Json(Progress::new(id, state)))
}

async fn search(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    body: JsonBody,
) -> Result<Json<Found>, Refusal> {
    let question = body.read(|f| Question {
        owner: who.user,
        text: f.text("query", Text::up_to(limit::MESSAGE_BYTES)),
        top_k: usize::try_from(f.integer("top_k", 5, 1..=i64::try_from(limit::SEARCH_TOP_K).unwrap_or(1)))
            .unwrap_or(1),
        document_type: f.optional_text("document_type", Text::up_to(limit::DOCUMENT_TYPE_BYTES)),
        source: f.optional_text("source", Text::up_to(limit::SOURCE_BYTES)),
        folder: None,
        min_score: f.number("min_score", 0.5, 0.0..=1.0),
    })?;
    app.gate.search(&question.owner)?;
    let query = question.text.clone();
    Ok(Json(Found::new(query, app.documents.search(question).await?)))
}

/// `source` is the rest of the path, slashes and all.
async fn remove(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Deleted>, Refusal> {
    let coded = uri.path().strip_prefix(ROOT).unwrap_or_default();
    let source = percent_encoding::percent_decode_str(coded).decode_utf8();
    // What is no text is nobody's name.
    let source = source.map_err(|_| Error::not_found("Document"))?.into_owned();
    let chunks_deleted = app.documents.delete(&who.user, &source).await?;
    Ok(Json(Deleted { message: "Document deleted", source, chunks_deleted }))
}

/// Who sends a document. Asked for here and not by an extractor: an answer that comes before a large body is
/// read has to see to it that it arrives ([`receive::turn_away`]).
fn member(app: &App, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let identity = app.auth.bearer(headers)?;
    // A guest costs nothing to become, so the caps of a user would bound nobody.
    if identity.who.guest {
        let why = "Guests cannot store documents; register first";
        return Err(Refusal::new(StatusCode::FORBIDDEN, why));
    }
    Ok(identity.who)
}

async fn upload(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let begun = member(&app, &parts.headers).and_then(|who| {
        let asked = Asked::of(&app, &parts.uri, &parts.headers)?;
        let (upload, file) = app.documents.begin_file(&who.user, asked.id.clone())?;
        Ok((asked, upload, file))
    });
    let (asked, upload, file) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return Err(receive::turn_away(&parts.headers, body, refusal).await),
    };
    let prepared = match receive::receive(&parts.headers, body, &upload, file).await {
        Ok(received) => about_file(received.filename, received.format, received.fields)
            .map(|about| (about, Content::File(received.format))),
        Err(refusal) => Err(refusal),
    };
    index(&app, &asked, upload, prepared).await
}

async fn ingest_text(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let begun = member(&app, request.headers()).and_then(|who| {
        let asked = Asked::of(&app, request.uri(), request.headers())?;
        let upload = app.documents.begin(&who.user, asked.id.clone())?;
        Ok((asked, upload))
    });
    let (asked, upload) = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            let (parts, body) = request.into_parts();
            return Err(receive::turn_away(&parts.headers, body, refusal).await);
        }
    };
    let prepared = about_text(request).await;
    index(&app, &asked, upload, prepared).await
}

/// How an answer is wanted.
struct Asked {
    /// The client's own id for the document.
    id: Option<String>,
    /// Whether the answer waits until the document is indexed.
    wait: bool,
}

impl Asked {
    fn of(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        if app.draining.is_cancelled() {
            return Err(Error::new(Code::Draining, "The server is stopping; try again in a moment").into());
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, e.body_text()))?;
        let said = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let id = said("document_id").map(uuid::Uuid::parse_str).transpose().map_err(|_| {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "document_id must be a UUID of your own making")
        })?;
        let wait = match said("wait") {
            None | Some("true" | "1") => !prefers_async(headers),
            Some("false" | "0") => false,
            Some(_) => {
                let why = "wait must be true or false";
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why));
            }
        };
        Ok(Self { id: id.map(|id| id.to_string()), wait })
    }
}

fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|p| p.trim().eq_ignore_ascii_case("respond-async"))
}

/// Hands a document over and answers as it is wanted.
async fn index(
    app: &App,
    asked: &Asked,
    upload: Upload,
    prepared: Result<(About, Content), Refusal>,
) -> Result<Response, Refusal> {
    let (about, content) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => {
            upload.failed(&refusal.sentence());
            return Err(refusal);
        }
    };
    let document_id = upload.id().to_owned();
    upload.named(&about.source);
    let (filename, document_type) = (about.source.clone(), about.document_type.clone());
    let strategy = about.cutting.strategy.as_str();
    let told = app.documents.index(upload, about, content);
    if asked.wait {
        return Ok(Json(Created::new(ended(told).await?, filename, document_type, strategy)).into_response());
    }
    let place = HeaderValue::from_str(&format!("{ROOT}uploads/{document_id}"));
    let accepted = Accepted { document_id, filename, status: "indexing" };
    let mut answer = (StatusCode::ACCEPTED, Json(accepted)).into_response();
    if let Ok(place) = place {
        answer.headers_mut().insert(LOCATION, place);
    }
    Ok(answer)
}

async fn ended(told: oneshot::Receiver<Result<Indexed, IngestError>>) -> Result<Indexed, Refusal> {
    match told.await {
        Ok(Ok(indexed)) => Ok(indexed),
        Ok(Err(IngestError::Refused(why))) => Err(Refusal::new(StatusCode::BAD_REQUEST, why)),
        Ok(Err(IngestError::Failed(error))) => Err(error.into()),
        Err(_) => Err(Error::new(Code::Internal, "The document was not indexed").into()),
    }
}

fn about_file(
    source: String,
    format: Format,
    fields: Map<String, serde_json::Value>,
) -> Result<About, Refusal> {
    let (document_type, name, measures) = JsonBody::of_form(fields).read(|f| {
        let document_type = f.optional_text("document_type", Text::up_to(limit::DOCUMENT_TYPE_BYTES));
        (document_type, f.optional_text("chunking_strategy", Text::up_to(64)), measures(f))
    })?;
    let usual = if format.has_headings() { Strategy::Markdown } else { Strategy::Recursive };
    Ok(About {
        source,
        document_type: kind(document_type),
        cutting: cutting(name, usual, measures)?,
        own: Map::new(),
    })
}

async fn about_text(request: Request) -> Result<(About, Content), Refusal> {
    let body = JsonBody::up_to(request, limit::INGEST_BODY_BYTES).await?;
    let (text, source, document_type, name, own, measures) = body.read(|f| {
        let text = f.text("text", Text::up_to(limit::INGEST_BODY_BYTES));
        let source = f.text("source", Text::up_to(limit::SOURCE_BYTES).at_least(1));
        let document_type = f.optional_text("document_type", Text::up_to(limit::DOCUMENT_TYPE_BYTES));
        let name = f.optional_text("chunking_strategy", Text::up_to(64));
        (text, source, document_type, name, f.optional_object("metadata"), measures(f))
    })?;
    if source.chars().any(char::is_control) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "source may not have control characters"));
    }
    if text.contains('\0') {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "text may not have NUL characters"));
    }
    if serde_json::to_string(&own).map_or(usize::MAX, |json| json.len()) > limit::OWN_METADATA_BYTES {
        let why = format!("metadata may have at most {} bytes as JSON", limit::OWN_METADATA_BYTES);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
    }
    let about = About {
        source,
        document_type: kind(document_type),
        cutting: cutting(name, Strategy::Recursive, measures)?,
        own,
    };
    Ok((about, Content::Text(text)))
}

/// Size and overlap, where they are named.
type Measures = (usize, Option<usize>);

fn measures(f: &mut Fields) -> Measures {
    let most = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let sizes = most(*limit::CHUNK_CHARS_ASKED.start())..=most(*limit::CHUNK_CHARS_ASKED.end());
    let size = f.integer("chunk_size", most(limit::CHUNK_CHARS), sizes.clone());
    let overlap = f.integer("chunk_overlap", -1, 0..=*sizes.end());
    (usize::try_from(size).unwrap_or(limit::CHUNK_CHARS), usize::try_from(overlap).ok())
}

fn kind(document_type: Option<String>) -> String {
    document_type.filter(|kind| !kind.trim().is_empty()).unwrap_or_else(|| MANUAL.to_owned())
}

fn cutting(name: Option<String>, usual: Strategy, (size, overlap): Measures) -> Result<Cutting, Refusal> {
    let bad = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
    let strategy = match name {
        None => usual,
        Some(name) => {
            Strategy::parse(&name).ok_or_else(|| bad(format!("'{name}' is not a valid ChunkingStrategy")))?
        }
    };
    // Who asks for short passages and says nothing of what they share means a fifth, as it usually is.
    let overlap = overlap.unwrap_or_else(|| limit::CHUNK_OVERLAP.min(size / 5));
    if overlap >= size {
        return Err(bad("chunk_overlap must be smaller than chunk_size".to_owned()));
    }
    Ok(Cutting { strategy, size, overlap })
}
