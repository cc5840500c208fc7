//! What the assistant reads before it answers.

use serde_json::{Value, json};

use super::operation::{Book, Operation, delete, get, post};
use super::shapes::{IngestText, Search, Upload};
use crate::http::documents::shapes::{Accepted, Created, Deleted, Found, List, Progress, Stats};

const GUESTS: &str = "Guests cannot store documents; register first";
const SIGN_IN: &str =
    "Authentication required · Invalid token · Invalid access token (it is a refresh token)";
const INVALID: &str = "A field is missing or not as it must be";
/// Of what is uploaded, in whatever way.
const TAKEN: &str = "There is an upload of this id already";
const ASKED: &str = "document_id must be a UUID of your own making · wait must be true or false";
const TOO_MANY: &str = "4 uploads of yours are under way; try again when one of them is done · Too many uploads are under way; \
                        try again in a moment";
const DRAINING: &str = "The server is stopping; try again in a moment";
const CUTTING: &str = "'x' is not a valid ChunkingStrategy · chunk_overlap must be smaller than chunk_size";
const DOCUMENT: &str =
    "Document appears to be empty · The document makes more than 10000 passages · You have 500 documents";

fn ingested(filename: &str) -> Value {
    json!({
        "document_id": "8da265b9-…", "filename": filename, "document_type": "manual", "chunks_created": 5,
        "tokens_used": 424, "chunking_strategy": "recursive",
    })
}

fn accepted(filename: &str) -> Value {
    json!({ "document_id": "8da265b9-…", "filename": filename, "status": "indexing" })
}

fn metadata() -> Value {
    json!({
        "source": "specs_genautox1_2024.md", "filename": "specs_genautox1_2024.md", "chunk_size": 1000,
        "indexed_at": "2026-11-21T01:39:22.109878", "chunk_index": 0, "document_id": "30fc…", "content_type": "text/markdown",
        "document_type": "spec", "chunk_strategy": "markdown", "original_length": 2811, "heading": "GenAuto X1 > Engine",
    })
}

/// What may be asked of the routes that index.
fn waiting(op: Operation) -> Operation {
    op.query("wait", json!({ "type": "boolean", "default": true }), "`false`: do not wait for the index.")
        .query(
            "document_id",
            json!({ "type": "string", "format": "uuid" }),
            "Your own name for the upload, a fresh UUID. The document gets it where it is new.",
        )
        .header("Prefer", "`respond-async` is as `?wait=false`.")
}

pub(super) fn describe(book: &mut Book) {
    book.group("Documents");
    let upload = post("/api/v1/documents/upload", "upload_document", "Upload a document").about(
        "The answer comes when the document is searchable, or, where that is not waited for, when the file is here. It is \
         indexed beside the request: a client that goes away does not stop it. To watch from the first byte, name the upload \
         yourself with `?document_id=`.",
    );
    book.add(
        waiting(upload)
            .takes_form::<Upload>()
            .gives::<Created>(200, "It is searchable.", ingested("manual.pdf"))
            .gives::<Accepted>(202, "The file is here and is being indexed.", accepted("manual.pdf"))
            .refuses(
                400,
                &format!(
                    "Unsupported file format: x · File too large (max 50MB) · Empty file · {DOCUMENT} · {CUTTING} · what the \
                     reader says of the file: a password, a scan without text, damage · Missing boundary in multipart. · There was \
                     an error parsing the body · Too many fields · A field is too long · More than one file · The upload broke off"
                ),
            )
            .refuses(401, SIGN_IN)
            .refuses(403, GUESTS)
            .refuses(408, "The upload stood still")
            .refuses(409, TAKEN)
            .refuses(422, &format!("{INVALID} · {ASKED}"))
            .refuses(429, TOO_MANY)
            .refuses(500, "Uploads cannot be stored now · The document cannot be read now")
            .refuses(503, DRAINING),
    );
    book.add(
        get("/api/v1/documents/uploads/{document_id}", "upload_state", "How far an upload is")
            .about("Ends are kept for an hour, and only in memory.")
            .part("document_id", "From the upload, or of your own making.")
            .gives::<Progress>(
                200,
                "How far it is.",
                json!({
                    "document_id": "8da265b9-…", "filename": "manual.pdf", "status": "indexing", "chunks_done": 12,
                    "chunks_total": 40, "detail": null,
                }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, "Upload not found"),
    );
    book.add(
        waiting(post("/api/v1/documents/ingest-text", "ingest_text", "Add a text"))
            .about("As an upload, but of at most 1 MB of JSON.")
            .takes::<IngestText>(json!({ "text": "# Tyres\n\n2.3 bar, all four.", "source": "tyres.md", "document_type": "manual" }))
            .gives::<Created>(200, "It is searchable.", ingested("tyres.md"))
            .gives::<Accepted>(202, "The text is here and is being indexed.", accepted("tyres.md"))
            .refuses(
                400,
                &format!(
                    "{DOCUMENT} · {CUTTING} · source may not have control characters · text may not have NUL characters · \
                     metadata may have at most 4096 bytes as JSON"
                ),
            )
            .refuses(401, SIGN_IN)
            .refuses(403, GUESTS)
            .refuses(409, TAKEN)
            .refuses(422, &format!("{INVALID} · {ASKED}"))
            .refuses(429, TOO_MANY)
            .refuses(503, DRAINING),
    );
    book.add(
        post("/api/v1/documents/search", "search_documents", "Search")
            .about("By words and by meaning. Shared documents and your own.")
            .takes::<Search>(json!({ "query": "engine power", "top_k": 3, "min_score": 0.3 }))
            .gives::<Found>(
                200,
                "Passages, best first.",
                json!({ "results": [{
                    "content": "- **Power**: 128 hp (gasoline) / 116 hp (ethanol)", "score": 0.87,
                    "metadata": metadata(), "source": "specs_genautox1_2024.md",
                }], "query": "engine power", "total": 1 }),
            )
            .refuses(401, SIGN_IN)
            .refuses(422, INVALID),
    );
    book.add(
        get("/api/v1/documents/", "list_documents", "The documents that you see")
            .gives::<List>(
                200,
                "Shared ones and your own, the latest first.",
                json!({ "documents": [{
                    "source": "faq_genautox1.md", "document_type": "faq", "chunk_count": 5,
                    "first_indexed": "2026-11-21T01:39:22.109878", "last_indexed": "2026-11-21T01:39:22.109878",
                }]}),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        get("/api/v1/documents/stats", "document_stats", "How much there is")
            .gives::<Stats>(
                200,
                "Of what you see.",
                json!({ "total_chunks": 41, "total_sources": 6, "total_document_types": 5 }),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        delete("/api/v1/documents/{source}", "delete_document", "Delete a document of yours")
            .about("A shared one is nobody's to delete.")
            .part("source", "Its name; a `/` in it may be written `%2F`.")
            .gives::<Deleted>(
                200,
                "It is gone.",
                json!({ "message": "Document deleted", "source": "tyres.md", "chunks_deleted": 1 }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, "Document not found"),
    );
}
