//! One method of one path, said in a few lines, and how that is written in the document.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::shapes::{Invalid, Refused};
use crate::http::runs::FaultBody;

/// Writes a type's shape: a reference where it has a name.
type Shape = fn(&mut SchemaGenerator) -> Value;

fn shape<T: JsonSchema>(writer: &mut SchemaGenerator) -> Value {
    writer.subschema_for::<T>().to_value()
}

/// What an answer or a body holds.
enum Content {
    Nothing,
    /// Of this media type.
    Text(&'static str),
    Json(Shape, Option<Value>),
}

/// One method of one path. Made by [`get`], [`post`], [`put`] or [`delete`], and told the rest in a chain.
pub(super) struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Value>,
    body: Option<(&'static str, Content)>,
    body_may_be_missing: bool,
    answers: Vec<(u16, String, Vec<Content>)>,
    security: Option<Value>,
    /// Errors in the native protocol's shape.
    native: bool,
    more: Option<(&'static str, Value)>,
}

fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        about: "",
        parameters: Vec::new(),
        body: None,
        body_may_be_missing: false,
        answers: Vec::new(),
        security: None,
        native: false,
        more: None,
    }
}

/// `GET path`, with the operation's name for generated clients and its one line for people.
pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    new("get", path, id, summary)
}

/// `POST path`, as in [`get`].
pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    new("post", path, id, summary)
}

/// `PUT path`, as in [`get`].
pub(super) fn put(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    new("put", path, id, summary)
}

/// `DELETE path`, as in [`get`].
pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    new("delete", path, id, summary)
}

impl Operation {
    /// What does not fit in one line.
    pub(super) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    fn parameter(mut self, place: &str, name: &str, schema: Value, what: &str) -> Self {
        let required = place == "path";
        self.parameters.push(
            json!({ "in": place, "name": name, "required": required, "schema": schema, "description": what }),
        );
        self
    }

    /// A part of the path.
    pub(super) fn part(self, name: &str, what: &str) -> Self {
        self.parameter("path", name, json!({ "type": "string", "minLength": 1 }), what)
    }

    /// What may stand behind `?`.
    pub(super) fn query(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("query", name, schema, what)
    }

    /// A header that may be sent.
    pub(super) fn header(self, name: &str, what: &str) -> Self {
        self.parameter("header", name, json!({ "type": "string" }), what)
    }

    /// A JSON body.
    pub(super) fn takes<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body = Some(("application/json", Content::Json(shape::<T>, Some(example))));
        self
    }

    /// A form with a file.
    pub(super) fn takes_form<T: JsonSchema>(mut self) -> Self {
        self.body = Some(("multipart/form-data", Content::Json(shape::<T>, None)));
        self
    }

    fn answer(mut self, status: u16, what: &str, content: Content) -> Self {
        match self.answers.last_mut() {
            // Said twice in a row: the same answer in another media type.
            Some((last, _, contents)) if *last == status => contents.push(content),
            _ => self.answers.push((status, what.to_owned(), vec![content])),
        }
        self
    }

    /// A JSON body that may be left out.
    pub(super) fn may_take<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body_may_be_missing = true;
        self.takes::<T>(example)
    }

    /// Answers JSON.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, what: &str, example: Value) -> Self {
        self.answer(status, what, Content::Json(shape::<T>, Some(example)))
    }

    /// Answers text of this media type.
    pub(super) fn gives_text(self, status: u16, what: &str, media: &'static str) -> Self {
        self.answer(status, what, Content::Text(media))
    }

    /// Answers without a body.
    pub(super) fn gives_nothing(self, status: u16, what: &str) -> Self {
        self.answer(status, what, Content::Nothing)
    }

    /// Says no, with one of these sentences.
    pub(super) fn refuses(self, status: u16, what: &str) -> Self {
        let shape = match (self.native, status) {
            (true, _) => shape::<FaultBody>,
            (false, 422) => shape::<Invalid>,
            (false, _) => shape::<Refused>,
        };
        self.answer(status, what, Content::Json(shape, None))
    }

    /// Says no with this as well, before what it says with this status already.
    fn also_refuses(mut self, status: u16, what: &str) -> Self {
        match self.answers.iter_mut().find(|(given, ..)| *given == status) {
            Some((_, given, _)) => *given = format!("{what} · {given}"),
            None => self = self.refuses(status, what),
        }
        self
    }

    /// What stands before every handler: the address's allowance, and the bounds of a body of JSON.
    fn with_what_every_route_says(mut self) -> Self {
        let in_words = |code: &'static str, sentence: &'static str| if self.native { code } else { sentence };
        let too_often = in_words("`rate_limited`", "Too many requests; try again in N s");
        let too_large = in_words("`too_large`", "Request body too large");
        let too_slow = in_words("`invalid_request`: it took too long", "The request body took too long");
        let broken = in_words("`invalid_request`: it broke off", "There was an error parsing the body");
        if matches!(self.body, Some(("application/json", _))) {
            self = self.also_refuses(400, broken).also_refuses(408, too_slow).also_refuses(413, too_large);
        }
        self.also_refuses(429, too_often)
    }

    /// Nobody need be signed in.
    pub(super) fn open(mut self) -> Self {
        self.security = Some(json!([]));
        self
    }

    /// May be asked with any of these schemes; none of them where `{}` is among them.
    pub(super) fn signed_in_by(mut self, any: Value) -> Self {
        self.security = Some(any);
        self
    }

    /// Errors are the native protocol's, from here on in the chain.
    pub(super) fn native(mut self) -> Self {
        self.native = true;
        self
    }

    /// It becomes a WebSocket; what is spoken on it.
    pub(super) fn socket(mut self, spoken: Value) -> Self {
        self.more = Some(("x-websocket", spoken));
        self.gives_nothing(101, "The connection is a WebSocket from here on.")
    }
}

/// Everything that has been described.
pub(super) struct Book {
    /// What clients send: what may be left out is not required.
    asked: SchemaGenerator,
    /// What clients get: what is always there is required.
    given: SchemaGenerator,
    tag: &'static str,
    paths: Map<String, Value>,
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    })
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            asked: settings().into_generator(),
            given: settings().for_serialize().into_generator(),
            tag: "",
            paths: Map::new(),
        }
    }

    /// What is added from here on belongs to this group.
    pub(super) fn group(&mut self, tag: &'static str) {
        self.tag = tag;
    }

    /// The shape of what clients send, for places that no chain reaches.
    pub(super) fn asked<T: JsonSchema>(&mut self) -> Value {
        shape::<T>(&mut self.asked)
    }

    /// The shape of what clients get, likewise.
    pub(super) fn given<T: JsonSchema>(&mut self) -> Value {
        shape::<T>(&mut self.given)
    }

    pub(super) fn add(&mut self, op: Operation) {
        let op = op.with_what_every_route_says();
        let mut written = Map::from_iter([
            ("tags".to_owned(), json!([self.tag])),
            ("operationId".to_owned(), json!(op.id)),
            ("summary".to_owned(), json!(op.summary)),
        ]);
        let mut set = |key: &str, value: Value| written.insert(key.to_owned(), value);
        if !op.about.is_empty() {
            set("description", json!(op.about));
        }
        if !op.parameters.is_empty() {
            set("parameters", json!(op.parameters));
        }
        if let Some((media, content)) = op.body {
            set(
                "requestBody",
                json!({ "required": !op.body_may_be_missing, "content": written_content(&mut self.asked, media, content) }),
            );
        }
        let mut answers = Map::new();
        for (status, what, contents) in op.answers {
            let mut answer = json!({ "description": what });
            let mut medias = Map::new();
            for content in contents {
                if let Value::Object(one) = written_content(&mut self.given, "application/json", content) {
                    medias.extend(one);
                }
            }
            if !medias.is_empty() {
                answer["content"] = medias.into();
            }
            if let Some(headers) = headers(status) {
                answer["headers"] = headers;
            }
            answers.insert(status.to_string(), answer);
        }
        set("responses", answers.into());
        if let Some(security) = op.security {
            set("security", security);
        }
        if let Some((key, value)) = op.more {
            set(key, value);
        }
        let path = self.paths.entry(op.path).or_insert_with(|| json!({}));
        path[op.method] = written.into();
    }

    /// The paths and the shapes that they name.
    pub(super) fn close(mut self) -> (Map<String, Value>, Map<String, Value>) {
        let mut schemas = self.given.take_definitions(true);
        schemas.extend(self.asked.take_definitions(true));
        (self.paths, schemas)
    }

    /// Names that mean one shape in what is sent and another in what is got, which one document cannot say.
    #[cfg(test)]
    pub(super) fn torn(mut self) -> Vec<String> {
        let given = self.given.take_definitions(true);
        let asked = self.asked.take_definitions(true);
        asked
            .into_iter()
            .filter(|(name, a)| given.get(name).is_some_and(|g| g != a))
            .map(|(name, _)| name)
            .collect()
    }
}

fn written_content(writer: &mut SchemaGenerator, json_media: &str, content: Content) -> Value {
    match content {
        Content::Nothing => json!({}),
        Content::Text(media) => json!({ media: { "schema": { "type": "string" } } }),
        Content::Json(shape, example) => {
            let mut said = json!({ "schema": shape(writer) });
            if let Some(example) = example {
                said["example"] = example;
            }
            json!({ json_media: said })
        }
    }
}

/// What stands beside the body of such an answer, always.
fn headers(status: u16) -> Option<Value> {
    let (name, schema, what) = match status {
        401 => ("WWW-Authenticate", json!({ "const": "Bearer" }), "How to sign in."),
        202 => ("Location", json!({ "type": "string" }), "Where to ask how far it is."),
        423 | 429 | 503 => ("Retry-After", json!({ "type": "integer", "minimum": 0 }), "Seconds to wait."),
        _ => return None,
    };
    Some(json!({ name: { "schema": schema, "description": what } }))
}
