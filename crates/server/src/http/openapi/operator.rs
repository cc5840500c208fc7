//! For operators and balancers, and the pages.

use serde_json::json;

use super::operation::{Book, get};
use crate::http::health::{Health, Ready};
use crate::http::metrics::Numbers;

const PROMETHEUS: &str = "text/plain";
const OPEN_METRICS: &str = "application/openmetrics-text";
const NOT_YOURS: &str =
    "Not Found: the operator shows them to others, usually to the machine and its private network.";

pub(super) fn describe(book: &mut Book) {
    book.group("Server");
    book.add(
        get("/health", "health", "Whether the server lives, and who answers").open().gives::<Health>(
            200,
            "It lives.",
            json!({ "status": "healthy", "provider": { "name": "local", "model": "SmolLM2-135M", "label": "tiny local model" } }),
        ),
    );
    book.add(
        get("/health/ready", "ready", "Whether the server may be sent work")
            .open()
            .gives::<Ready>(200, "It may.", json!({ "status": "ready", "database": "connected" }))
            .gives::<Ready>(
                503,
                "The database cannot be used, or the server is about to stop.",
                json!({ "status": "not_ready", "database": "connected" }),
            ),
    );
    book.add(
        get("/metrics", "prometheus", "Measurements for Prometheus")
            .open()
            .gives_text(
                200,
                "Text in the exposition format that `Accept` names, in Prometheus' own otherwise.",
                PROMETHEUS,
            )
            .gives_text(200, "", OPEN_METRICS)
            .refuses(404, NOT_YOURS),
    );
    book.add(
        get("/api/v1/metrics", "metrics", "A few measurements, or all of them for Prometheus")
            .about("JSON, unless `Accept` names `text/plain` or `application/openmetrics-text`.")
            .open()
            .gives::<Numbers>(
                200,
                "The measurements.",
                json!({ "status": "healthy", "requests_total": 1234, "cache_hit_rate": 0.0 }),
            )
            .gives_text(200, "", PROMETHEUS)
            .gives_text(200, "", OPEN_METRICS)
            .refuses(404, NOT_YOURS),
    );
    book.add(
        get("/openapi.json", "openapi", "This document")
            .open()
            .gives_text(200, "OpenAPI 3.1.", "application/json")
            .gives_nothing(304, "It is still what `If-None-Match` names."),
    );

    book.group("Pages");
    let html = "text/html";
    for (path, id, summary) in [
        ("/", "front_page", "What this is, and an inspector of runs"),
        ("/ws/test", "chat_page", "A page that speaks the chat dialect"),
        ("/ws/ai/test", "ai_stream_page", "A page that speaks the ai_stream dialect"),
        ("/tutor/test", "tutor_page", "A page that speaks the tutor dialect"),
        ("/orchestrate/test", "orchestrate_page", "A page that gives teams a brief and follows the job"),
        ("/docs", "docs_page", "This document, to read and to try"),
        ("/knowledge", "knowledge_page", "Upload, search and delete documents"),
    ] {
        book.add(page(path, id, summary, html));
    }
    for (path, id, summary) in [
        ("/docs/native.md", "native_protocol", "The native protocol, described"),
        ("/docs/chat.md", "chat_protocol", "The chat dialect, described"),
        ("/docs/ai_stream.md", "ai_stream_protocol", "The ai_stream dialect, described"),
        ("/docs/tutor.md", "tutor_protocol", "The tutor dialect, described"),
        ("/docs/orchestrate.md", "orchestrate_protocol", "The orchestrate dialect, described"),
        ("/THIRD_PARTY.md", "licences", "Licences of what the pages contain"),
    ] {
        book.add(page(path, id, summary, "text/plain"));
    }
    book.add(
        get("/assets/{file}", "asset", "A part of a page")
            .about("Named by its content, and so never another.")
            .open()
            .part("file", "Its name.")
            .gives_text(200, "The file, of its own kind.", "*/*")
            .refuses(404, "Not Found"),
    );
}

fn page(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    media: &'static str,
) -> super::operation::Operation {
    get(path, id, summary)
        .open()
        .gives_text(200, "The page.", media)
        .gives_nothing(304, "It is still what `If-None-Match` names.")
}
