//! What the assistant reads before it answers.

use serde_json::{Value, json};

use super::operation::{Book, delete, get, post};
use super::shapes::{
    Deleted, DocumentList, DocumentStats, Found, IngestText, Ingested, Search, Upload, UploadState,
};

const SIGN_IN: &str = "Authentication required · Invalid token";

fn ingested(filename: &str) -> Value {
    json!({
        "document_id": "8da265b9-…", "filename": filename, "document_type": "manual", "chunks_created": 5,
        "tokens_used": 424, "chunking_strategy": "recursive",
    })
}

pub(super) fn describe(book: &mut Book) {
    book.group("Documents");
    book.add(
        post("/api/v1/documents/upload", "upload_document", "Upload a document")
            .about("The answer comes when the document is searchable; with `?wait=false` when the file is here.")
            .query("wait", json!({ "type": "boolean", "default": true }), "`false`: do not wait for the index.")
            .takes_form::<Upload>()
            .gives::<Ingested>(200, "It is searchable.", ingested("manual.pdf"))
            .gives::<UploadState>(
                202,
                "The file is here and is being read (`?wait=false`).",
                json!({
                    "document_id": "8da265b9-…", "filename": "manual.pdf", "status": "reading", "chunks_done": 0,
                    "chunks_total": null, "detail": null,
                }),
            )
            .refuses(
                400,
                "Empty file · Document appears to be empty · Unsupported file format: x · File too large (max 50MB)",
            )
            .refuses(401, SIGN_IN)
            .refuses(422, "A field of the form is missing or not as it must be.")
            .refuses(429, "As many uploads as allowed are under way."),
    );
    book.add(
        get("/api/v1/documents/uploads/{document_id}", "upload_state", "How far an upload is")
            .part("document_id", "From the upload.")
            .gives::<UploadState>(
                200,
                "How far it is.",
                json!({
                    "document_id": "8da265b9-…", "filename": "manual.pdf", "status": "indexing", "chunks_done": 12,
                    "chunks_total": 40, "detail": null,
                }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, "There is no such upload, or it is not yours."),
    );
    book.add(
        post("/api/v1/documents/ingest-text", "ingest_text", "Add a text")
            .takes::<IngestText>(json!({ "text": "# Tyres\n\n2.3 bar, all four.", "source": "tyres.md", "document_type": "manual" }))
            .gives::<Ingested>(200, "It is searchable.", ingested("tyres.md"))
            .refuses(400, "Document appears to be empty · 'zzz' is not a valid ChunkingStrategy")
            .refuses(401, SIGN_IN)
            .refuses(422, "A field is missing or not as it must be."),
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
                    "metadata": { "document_type": "spec", "chunk_index": 0 }, "source": "specs_genautox1_2024.md",
                }], "query": "engine power", "total": 1 }),
            )
            .refuses(401, SIGN_IN)
            .refuses(422, "A field is missing or not as it must be."),
    );
    book.add(
        get("/api/v1/documents/", "list_documents", "The documents that you see")
            .gives::<DocumentList>(
                200,
                "Shared ones and your own.",
                json!({ "documents": [{
                    "source": "faq_genautox1.md", "document_type": "faq", "chunk_count": 5,
                    "first_indexed": "2026-11-21T01:39:22.109878", "last_indexed": "2026-11-21T01:39:22.109878",
                }]}),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        get("/api/v1/documents/stats", "document_stats", "How much there is")
            .gives::<DocumentStats>(
                200,
                "Of what you see.",
                json!({ "total_chunks": 41, "total_sources": 6, "total_document_types": 5 }),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        delete("/api/v1/documents/{source}", "delete_document", "Delete a document of yours")
            .part("source", "Its name; a `/` in it is written `%2F`.")
            .gives::<Deleted>(
                200,
                "It is gone.",
                json!({ "message": "Document deleted", "source": "tyres.md", "chunks_deleted": 1 }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, "Document not found"),
    );
}
