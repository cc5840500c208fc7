//! `/api/v1/documents/*`: every row of the contract, every error, in the original's words.

mod uploading;

use std::time::Duration;

use axum::http::StatusCode;
use headwater_core::port::SharedStore;
use headwater_core::{Millis, limit};
use headwater_engine::ingest::{Text, ingest};
use serde_json::{Value, json};

use crate::house::House;

const ROOT: &str = "/api/v1/documents";
const BORDER: &str = "----x";

/// A part of a form: its field, its file name, its bytes.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, bytes) in parts {
        let filename = filename.map(|f| format!("; filename=\"{f}\"")).unwrap_or_default();
        body.extend(
            format!("--{BORDER}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n")
                .bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BORDER}--\r\n").bytes());
    body
}

struct Answer {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, text: answer.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    #[track_caller]
    fn refuses(&self, status: u16, detail: &str) {
        assert_eq!((self.status, self.json()), (status, json!({ "detail": detail })));
    }

    #[track_caller]
    fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}

impl House {
    async fn upload_to(&self, path: &str, user: &str, parts: &[Part<'_>]) -> Answer {
        let request = self
            .http_as(user, "POST", &format!("{ROOT}{path}"))
            .header("content-type", format!("multipart/form-data; boundary={BORDER}"))
            .body(form(parts));
        Answer::of(request).await
    }

    async fn upload(&self, parts: &[Part<'_>]) -> Answer {
        self.upload_to("/upload", "ann", parts).await
    }

    async fn send(&self, user: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.http_as(user, method, &format!("{ROOT}{path}"));
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn send_owned(&self, user: &str, method: &str, path: &str, body: Value) -> Answer {
        self.send(user, method, path, Some(body)).await
    }

    /// A document for everybody, as the server stores those that it is shipped with.
    async fn share(&self, source: &str, text: &str) {
        let store: SharedStore = self.store.clone();
        let document = Text::shared(source, "manual", text);
        ingest(&store, None, document, Millis(0), |_, _| {}).await.unwrap();
    }

    async fn get(&self, user: &str, path: &str) -> Value {
        self.send(user, "GET", path, None).await.good()
    }

    async fn found(&self, user: &str, query: &str) -> Vec<String> {
        let found = self.send(user, "POST", "/search", Some(json!({"query": query, "min_score": 0.1}))).await;
        let found = found.good();
        found["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["source"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Files that are under way.
    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("uploads")).unwrap().count()
    }

    /// The state of Ann's upload once it is this one.
    async fn until(&self, id: &str, status: &str) -> Value {
        let wait = async {
            loop {
                let answer = self.send("ann", "GET", &format!("/uploads/{id}"), None).await;
                if answer.status == 200 && answer.json()["status"] == status {
                    return answer.json();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the state comes")
    }
}

#[tokio::test]
async fn an_upload_as_recorded() {
    let house = House::new().await;
    let text = b"The GenAuto has a heated steering wheel. ".repeat(60);
    // The fields stand behind the file, and one is unknown.
    let answer = house
        .upload(&[
            ("other", None, b"x"),
            ("file", Some("../folder/t.txt"), &text),
            ("document_type", None, b"faq"),
            ("chunk_size", None, b"500"),
            ("chunk_overlap", None, b"50"),
        ])
        .await;
    let body = answer.good();
    let id = body["document_id"].as_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().to_string(), id);
    let (chunks, tokens) = (body["chunks_created"].as_u64().unwrap(), body["tokens_used"].as_u64().unwrap());
    assert!(chunks >= 5 && tokens > 500, "{body}");
    assert_eq!(
        answer.text,
        format!(
            r#"{{"document_id":"{id}","filename":"t.txt","document_type":"faq","chunks_created":{chunks},"tokens_used":{tokens},"chunking_strategy":"recursive"}}"#
        )
    );
    // Found at once.
    let found = house
        .send(
            "ann",
            "POST",
            "/search",
            Some(json!({"query": "heated steering wheel", "top_k": 1, "min_score": 0.1})),
        )
        .await;
    let hit = &found.good()["results"][0];
    let indexed_at = hit["metadata"]["indexed_at"].as_str().unwrap();
    assert_eq!((indexed_at.len(), &indexed_at[4..5], &indexed_at[10..11]), (26, "-", "T"), "{indexed_at}");
    let content = serde_json::to_string(&hit["content"]).unwrap();
    let (score, index) = (&hit["score"], &hit["metadata"]["chunk_index"]);
    assert_eq!(
        found.text,
        format!(
            r#"{{"results":[{{"content":{content},"score":{score},"metadata":{{"source":"t.txt","filename":"t.txt","chunk_size":500,"indexed_at":"{indexed_at}","chunk_index":{index},"document_id":"{id}","content_type":"text/plain","document_type":"faq","chunk_strategy":"recursive","original_length":{},"heading":""}},"source":"t.txt"}}],"query":"heated steering wheel","total":1}}"#,
            text.len()
        )
    );
    let list = house.send("ann", "GET", "/", None).await;
    assert_eq!(
        list.text,
        format!(
            r#"{{"documents":[{{"source":"t.txt","document_type":"faq","chunk_count":{chunks},"first_indexed":"{indexed_at}","last_indexed":"{indexed_at}"}}]}}"#
        )
    );
    let stats = house.send("ann", "GET", "/stats", None).await;
    assert_eq!(
        stats.text,
        format!(r#"{{"total_chunks":{chunks},"total_sources":1,"total_document_types":1}}"#)
    );
    assert_eq!(house.files(), 0);
    // The same again is the same document; a changed one takes its place.
    let parts: &[Part<'_>] = &[
        ("file", Some("t.txt"), &text),
        ("document_type", None, b"faq"),
        ("chunk_size", None, b"500"),
        ("chunk_overlap", None, b"50"),
    ];
    let again = house.upload(parts).await.good();
    assert_eq!(
        (&again["document_id"], &again["chunks_created"]),
        (&body["document_id"], &body["chunks_created"])
    );
    let other = house.upload(&[("file", Some("t.txt"), b"Nothing of the kind.")]).await.good();
    assert_ne!(other["document_id"], body["document_id"]);
    assert_eq!(house.get("ann", "/stats").await["total_chunks"], 1);
    let deleted = house.send("ann", "DELETE", "/t.txt", None).await;
    assert_eq!(deleted.text, r#"{"message":"Document deleted","source":"t.txt","chunks_deleted":1}"#);
    house.send("ann", "DELETE", "/t.txt", None).await.refuses(404, "Document not found");
}

#[tokio::test]
async fn markdown_is_cut_at_its_headings() {
    let house = House::new().await;
    let text = "# Car\n\n## Engine\n128 hp.\n\n## Roof\nA rack of steel.\n";
    let body = house.upload(&[("file", Some("t.MD"), text.as_bytes())]).await.good();
    assert_eq!(body["chunking_strategy"], "markdown");
    assert_eq!(body["chunks_created"], 2);
    assert_eq!(body["document_type"], "manual");
    let found = house.send("ann", "POST", "/search", Some(json!({"query": "rack steel"}))).await.good();
    assert_eq!(found["results"][0]["metadata"]["heading"], "Car > Roof");
    assert_eq!(found["results"][0]["metadata"]["chunk_size"], limit::CHUNK_CHARS);
}

#[tokio::test]
async fn what_is_wrong_with_an_upload_is_said() {
    let house = House::new().await;
    let file = |name: &'static str, bytes: &'static [u8]| house_part(name, bytes);
    let ok = || file("t.txt", b"words");
    let field = |name: &'static str, value: &'static str| (name, None, value.as_bytes());
    for (parts, status, detail) in [
        (vec![file("t.txt", b"")], 400, "Empty file"),
        (vec![file("t.txt", b" \n\t ")], 400, "Document appears to be empty"),
        (vec![file("t.bin", b"x")], 400, "Unsupported file format: t.bin"),
        (vec![file("noending", b"x")], 400, "Unsupported file format: noending"),
        (vec![file("t.pdf", b"no pdf")], 400, "The file is damaged or no PDF"),
        (vec![file("t.docx", b"no docx")], 400, "The file is damaged or no DOCX"),
        (
            vec![file("t.txt", b"Gr\xf6\xdfe")],
            400,
            "The file is neither UTF-8 nor UTF-16; save it as UTF-8 and try again",
        ),
        (vec![ok(), ok()], 400, "More than one file"),
        (vec![ok(), field("chunk_overlap", "1000")], 400, "chunk_overlap must be smaller than chunk_size"),
        (vec![ok(), field("chunking_strategy", "zzz")], 400, "'zzz' is not a valid ChunkingStrategy"),
    ] {
        house.upload(&parts).await.refuses(status, detail);
    }
    for (parts, kind, at, msg) in [
        (vec![], "missing", "file", "Field required"),
        (vec![field("document_type", "faq")], "missing", "file", "Field required"),
        (vec![file("", b"x")], "missing", "file", "Field required"),
        (
            vec![field("file", "x")],
            "value_error",
            "file",
            "Value error, Expected UploadFile, received: <class 'str'>",
        ),
        (
            vec![ok(), field("chunk_size", "abc")],
            "int_parsing",
            "chunk_size",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            vec![ok(), field("chunk_size", "99")],
            "greater_than_equal",
            "chunk_size",
            "Input should be greater than or equal to 100",
        ),
        (
            vec![ok(), field("chunk_size", "8001")],
            "less_than_equal",
            "chunk_size",
            "Input should be less than or equal to 8000",
        ),
        (
            vec![ok(), field("chunk_overlap", "-1")],
            "greater_than_equal",
            "chunk_overlap",
            "Input should be greater than or equal to 0",
        ),
    ] {
        let answer = house.upload(&parts).await;
        let detail = &answer.json()["detail"][0];
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!((&detail["type"], &detail["loc"]), (&json!(kind), &json!(["body", at])), "{detail}");
        assert_eq!(detail["msg"], msg);
    }
    let path = format!("{ROOT}/upload");
    let post = |kind: &str, body: &'static str| {
        Answer::of(house.http("POST", &path).header("content-type", kind).body(body))
    };
    post("multipart/form-data", "x").await.refuses(400, "Missing boundary in multipart.");
    post("multipart/form-data; boundary=b", "no form")
        .await
        .refuses(400, "There was an error parsing the body");
    assert_eq!(post("application/json", "{}").await.json()["detail"][0]["loc"], json!(["body", "file"]));
    assert_eq!(house.get("ann", "/stats").await["total_sources"], 0);
    assert_eq!(house.files(), 0, "no file stays");
}

fn house_part<'a>(name: &'a str, bytes: &'a [u8]) -> Part<'a> {
    ("file", Some(name), bytes)
}

#[tokio::test]
async fn everything_asks_who_it_is() {
    let house = House::new().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (method, path) in [
        ("POST", "/upload"),
        ("POST", "/ingest-text"),
        ("POST", "/search"),
        ("GET", "/"),
        ("GET", "/stats"),
        ("GET", "/uploads/x"),
        ("DELETE", "/x"),
    ] {
        let url = format!("http://{}{ROOT}{path}", house.address);
        let answer = Answer::of(client.request(method.parse().unwrap(), url)).await;
        answer.refuses(401, "Authentication required");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let no_redirects =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = Answer::of(no_redirects.get(format!("http://{}{ROOT}?a=b", house.address))).await;
    assert_eq!((answer.status, answer.text.as_str()), (307, ""));
    assert_eq!(answer.headers["location"], "/api/v1/documents/?a=b");
    assert!(answer.headers.contains_key("x-request-id") && answer.headers.contains_key("x-response-time"));
    assert_eq!(house.send("ann", "GET", "/nowhere", None).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_text_as_recorded() {
    let house = House::new().await;
    let ingest = |body: Value| house.send_owned("ann", "POST", "/ingest-text", body);
    let answer =
        ingest(json!({"text": "hello world", "source": "src/1", "chunking_strategy": "fixed"})).await;
    let id = answer.good()["document_id"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"document_id":"{id}","filename":"src/1","document_type":"manual","chunks_created":1,"tokens_used":3,"chunking_strategy":"fixed"}}"#
        )
    );
    ingest(json!({"text": "x", "source": "s", "chunking_strategy": "zzz"}))
        .await
        .refuses(400, "'zzz' is not a valid ChunkingStrategy");
    ingest(json!({"text": " ", "source": "s"})).await.refuses(400, "Document appears to be empty");
    ingest(json!({"text": "a\0b", "source": "s"})).await.refuses(400, "text may not have NUL characters");
    ingest(json!({"text": "x", "source": "a\nb"}))
        .await
        .refuses(400, "source may not have control characters");
    ingest(json!({"text": "x", "source": "s", "metadata": {"k": "v".repeat(limit::OWN_METADATA_BYTES)}}))
        .await
        .refuses(400, "metadata may have at most 4096 bytes as JSON");
    let answer = ingest(json!({"source": 7, "metadata": []})).await;
    assert_eq!(answer.status, 422);
    let wrong: Vec<_> =
        answer.json()["detail"].as_array().unwrap().iter().map(|p| p["type"].clone()).collect();
    assert_eq!(wrong, ["missing", "string_type", "dict_type"]);
    let long = "x".repeat(limit::INGEST_BODY_BYTES);
    assert_eq!(ingest(json!({"text": long, "source": "s"})).await.status, 413);

    // The user's own metadata comes back behind ours, and never in its place.
    let own = json!({"author": "Ann", "document_id": "mine", "nested": {"a": [1]}});
    ingest(json!({"text": "Wolfram filament", "source": "m", "document_type": "spec", "metadata": own}))
        .await
        .good();
    let found = house.send("ann", "POST", "/search", Some(json!({"query": "wolfram filament"}))).await.good();
    let metadata = &found["results"][0]["metadata"];
    assert_eq!((&metadata["author"], &metadata["nested"]), (&json!("Ann"), &json!({"a": [1]})));
    assert_ne!(metadata["document_id"], "mine");
    // Narrowed by kind and by name.
    let narrowed = async |by: &str, value: &str| {
        let body = json!({"query": "wolfram world", "min_score": 0.1, by: value});
        house.send("ann", "POST", "/search", Some(body)).await.good()["total"].as_u64().unwrap()
    };
    assert_eq!((narrowed("document_type", "spec").await, narrowed("document_type", "faq").await), (1, 0));
    assert_eq!((narrowed("source", "src/1").await, narrowed("source", "nowhere").await), (1, 0));

    for (path, source) in [("/src%2F1", "src/1"), ("/m", "m")] {
        let answer = house.send("ann", "DELETE", path, None).await;
        assert_eq!(
            answer.text,
            format!(r#"{{"message":"Document deleted","source":"{source}","chunks_deleted":1}}"#)
        );
    }
    // Names that are routes, and a slash that is not coded.
    for source in ["stats", "upload", "search", "ingest-text", "uploads/x", "a/b c/é.txt"] {
        ingest(json!({"text": "x", "source": source})).await.good();
        let answer = house.send("ann", "DELETE", &format!("/{source}"), None).await.good();
        assert_eq!(answer["source"], source);
    }
    house.send("ann", "DELETE", "/%FF", None).await.refuses(404, "Document not found");
}

#[tokio::test]
async fn a_search_is_checked_as_recorded() {
    let house = House::new().await;
    for (body, problem) in [
        (
            json!({"query": "x", "top_k": 99}),
            json!({"type": "less_than_equal", "loc": ["body", "top_k"], "msg": "Input should be less than or equal to 20", "input": 99, "ctx": {"le": 20}}),
        ),
        (
            json!({"query": "x", "top_k": 0}),
            json!({"type": "greater_than_equal", "loc": ["body", "top_k"], "msg": "Input should be greater than or equal to 1", "input": 0, "ctx": {"ge": 1}}),
        ),
        (
            json!({}),
            json!({"type": "missing", "loc": ["body", "query"], "msg": "Field required", "input": {}}),
        ),
    ] {
        let answer = house.send("ann", "POST", "/search", Some(body)).await;
        assert_eq!((answer.status, answer.json()), (422, json!({ "detail": [problem] })));
    }
    let answer = house.send("ann", "POST", "/search", Some(json!({"query": "x", "min_score": 1.5}))).await;
    assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "min_score"]));
    let answer = house.send("ann", "POST", "/search", Some(json!({"query": "", "source": null}))).await;
    assert_eq!(answer.text, r#"{"results":[],"query":"","total":0}"#);
}

// Planted fault: the digest compared with all that a user sees (as it was); Ann's copy was then not stored.
#[tokio::test]
async fn two_people_see_what_is_shared_and_their_own() {
    let house = House::new().await;
    let text = "The flux capacitor is charged at night.";
    house.share("shared.md", text).await;
    let body = json!({"text": text, "source": "shared.md", "chunking_strategy": "markdown"});
    assert_eq!(house.get("ann", "/").await["documents"].as_array().unwrap().len(), 1);
    house.send("ann", "DELETE", "/shared.md", None).await.refuses(404, "Document not found");
    // Her own of the same name and text is hers.
    house.send("ann", "POST", "/ingest-text", Some(body)).await.good();
    assert_eq!(house.get("ann", "/").await["documents"].as_array().unwrap().len(), 2);
    assert_eq!(house.get("ben", "/").await["documents"].as_array().unwrap().len(), 1);
    house
        .send("ann", "POST", "/ingest-text", Some(json!({"text": "My secret zebra.", "source": "own"})))
        .await
        .good();
    assert_eq!(house.found("ann", "zebra").await, ["own"]);
    assert_eq!(house.found("ben", "zebra").await, Vec::<String>::new());
    assert_eq!(house.get("ben", "/stats").await["total_sources"], 1);
    for source in ["own", "shared.md"] {
        house.send("ben", "DELETE", &format!("/{source}"), None).await.refuses(404, "Document not found");
    }
    // Nor is anybody's upload another's, whatever its id.
    let id = uuid::Uuid::new_v4().to_string();
    let path = format!("/upload?document_id={id}");
    house.upload_to(&path, "ann", &[("file", Some("a.txt"), b"one")]).await.good();
    house.send("ben", "GET", &format!("/uploads/{id}"), None).await.refuses(404, "Upload not found");
    assert_eq!(house.get("ann", &format!("/uploads/{id}")).await["status"], "done");
    house.upload_to(&path, "ben", &[("file", Some("b.txt"), b"two")]).await.good();
    assert_eq!(house.get("ben", &format!("/uploads/{id}")).await["filename"], "b.txt");
    house
        .upload_to(&path, "ann", &[("file", Some("a.txt"), b"one")])
        .await
        .refuses(409, "There is an upload of this id already");
}

#[tokio::test]
async fn an_answer_need_not_be_waited_for() {
    let house = House::new().await;
    let part: &[Part<'_>] = &[("file", Some("a.txt"), b"The quokka smiles.")];
    let answer = house.upload_to("/upload?wait=false", "ann", part).await;
    let id = answer.json()["document_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 202);
    assert_eq!(answer.text, format!(r#"{{"document_id":"{id}","filename":"a.txt","status":"indexing"}}"#));
    assert_eq!(answer.headers["location"], format!("{ROOT}/uploads/{id}"));
    house.until(&id, "done").await;
    let state = house.send("ann", "GET", &format!("/uploads/{id}"), None).await;
    assert_eq!(
        state.text,
        format!(
            r#"{{"document_id":"{id}","filename":"a.txt","status":"done","chunks_done":1,"chunks_total":1,"detail":null}}"#
        )
    );
    assert_eq!(house.found("ann", "quokka").await, ["a.txt"]);
    // The header says the same; and what fails is told there.
    let request = house
        .http("POST", &format!("{ROOT}/upload"))
        .header("content-type", format!("multipart/form-data; boundary={BORDER}"))
        .header("prefer", "respond-async")
        .body(form(&[("file", Some("b.pdf"), b"no pdf")]));
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 202);
    let state = house.until(answer.json()["document_id"].as_str().unwrap(), "failed").await;
    assert_eq!(state["detail"], "The file is damaged or no PDF");
    assert_eq!(house.files(), 0);
    house.upload_to("/upload?wait=maybe", "ann", part).await.refuses(422, "wait must be true or false");
    house
        .upload_to("/upload?document_id=x", "ann", part)
        .await
        .refuses(422, "document_id must be a UUID of your own making");
    house.send("ann", "GET", "/uploads/x", None).await.refuses(404, "Upload not found");
}
