use std::collections::BTreeSet;
use std::path::Path;

use super::*;

type Routes = BTreeSet<(String, String)>;

/// With and without a slash at its end it is one route, and a wildcard is a part like any other.
fn plain(path: &str) -> String {
    let path = path.replace("{*", "{");
    if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
}

/// Where the routes of a source stand on the main surface.
fn prefix(path: &Path) -> &'static str {
    if path.ends_with("tutor/own.rs") { "/tutor" } else { "" }
}

/// Every `.route("…", get(…).post(…))` of a source.
fn routes_in(source: &str, prefix: &str, found: &mut Routes) {
    let code = source.split("#[cfg(test)]").next().unwrap();
    for rest in code.split(".route(").skip(1) {
        let rest = rest.trim_start();
        let Some((path, mut rest)) = rest.strip_prefix('"').and_then(|r| r.split_once('"')) else {
            panic!("a route whose path is no literal: {}", &rest[..60.min(rest.len())]);
        };
        // What only leads elsewhere has every method and no description.
        if rest.trim_start_matches(',').trim_start().starts_with("any(") {
            continue;
        }
        let (mut depth, mut any) = (0, false);
        // The methods stand outside every parenthesis but the route's own.
        while let Some(at) = rest.find(['(', ')']) {
            if rest.as_bytes()[at] == b')' {
                depth -= 1;
                if depth < 0 {
                    break;
                }
            } else {
                let word = rest[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if depth == 0 && ["get", "post", "put", "patch", "delete"].contains(&word) {
                    found.insert((word.to_owned(), plain(&format!("{prefix}{path}"))));
                    any = true;
                }
                depth += 1;
            }
            rest = &rest[at + 1..];
        }
        assert!(any, "no method of {path} was found");
    }
}

fn sources(folder: &Path, found: &mut Routes) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            routes_in(&std::fs::read_to_string(&path).unwrap(), prefix(&path), found);
        }
    }
}

fn described() -> Routes {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        item.as_object().unwrap().keys().map(|m| (m.clone(), plain(path))).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn every_route_is_described_and_every_description_has_its_route() {
    let mut routed = Routes::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut routed);
    assert!(routed.len() > 15, "{routed:?}");
    let described = described();
    // A document may be called as a route beside it is: `DELETE /documents/stats` is `/documents/{source}`.
    let named =
        |(method, path): &&(String, String)| method == "delete" && path.starts_with("/api/v1/documents/");
    let missing: Vec<_> = routed.difference(&described).filter(|r| !named(r)).collect();
    assert!(missing.is_empty(), "not in openapi.json: {missing:?}");
    let invented: Vec<_> = described.iter().filter(|r| !routed.contains(*r)).collect();
    assert!(invented.is_empty(), "in openapi.json, and no route: {invented:?}");
}

// `make gen` writes it; this says when that was forgotten.
#[test]
fn the_committed_document_is_the_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed.trim_end() == pretty(), "run `make gen` and commit docs/openapi.json");
    assert_eq!(document(), document());
}

/// Calls `look` with every object in a value.
fn every_object(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|v| every_object(v, look));
        }
        Value::Array(list) => list.iter().for_each(|v| every_object(v, look)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere_and_names_are_used_once() {
    let document = document();
    let (mut names, mut broken) = (Vec::new(), Vec::new());
    every_object(&document, &mut |object| {
        if let Some(Value::String(to)) = object.get("$ref")
            && document.pointer(to.trim_start_matches('#')).is_none()
        {
            broken.push(to.clone());
        }
        if let Some(Value::String(id)) = object.get("operationId") {
            names.push(id.clone());
        }
    });
    assert!(broken.is_empty(), "{broken:?}");
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");

    let mut book = Book::new();
    for describe in [
        accounts::describe,
        ai::describe,
        chat::describe,
        documents::describe,
        runs::describe,
        sharing::describe,
        tutor::describe,
        orchestrate::describe,
        operator::describe,
    ] {
        describe(&mut book);
    }
    assert_eq!(book.torn(), Vec::<String>::new(), "one name, two shapes");
}

#[test]
fn every_operation_has_its_parts_and_examples_are_of_their_shape() {
    let document = document();
    let tags: Vec<_> = TAGS.iter().map(|(name, _)| *name).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, op) in item.as_object().unwrap() {
            assert!(tags.contains(&op["tags"][0].as_str().unwrap()), "{method} {path}");
            let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = op["parameters"].as_array().cloned().unwrap_or_default();
            let parts: BTreeSet<_> = parameters
                .iter()
                .filter(|p| p["in"] == "path")
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            assert_eq!(named, parts, "{method} {path}");
            every_object(op, &mut |object| {
                if let (Some(schema), Some(example)) = (object.get("schema"), object.get("example")) {
                    fits(&document, schema, example, &format!("{method} {path}"));
                }
            });
        }
    }
}

/// The names in an example are those of its shape: as much of a validator as examples need.
fn fits(document: &Value, schema: &Value, example: &Value, at: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let Some(object) = example.as_object() else {
        for item in example.as_array().into_iter().flatten() {
            fits(document, &schema["items"], item, at);
        }
        return;
    };
    // What is one of several shapes is left to the tests of those.
    let Some(properties) = schema["properties"].as_object().filter(|_| schema.get("oneOf").is_none()) else {
        return;
    };
    for (name, value) in object {
        assert!(properties.contains_key(name), "{at}: the example's `{name}` is not in its shape");
        fits(document, &properties[name], value, at);
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(object.contains_key(required.as_str().unwrap()), "{at}: the example has no {required}");
    }
}

#[tokio::test]
async fn the_document_is_asked_for_each_time_and_sent_when_it_is_another() {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    let app = crate::http::layers::around(routes::<()>(), crate::metrics::Metrics::default());
    let request =
        |tag: &str| Request::get("/openapi.json").header("if-none-match", tag).body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request("\"x\"")).await.unwrap().into_parts();
    assert_eq!(parts.status, 200);
    assert_eq!(parts.headers["content-type"], "application/json");
    assert_eq!(parts.headers["cache-control"], "no-cache");
    let body: Value = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap();
    assert_eq!(body, document());
    let again = app.oneshot(request(parts.headers["etag"].to_str().unwrap())).await.unwrap();
    assert_eq!(again.status(), 304);
}
