//! Documents, and finding passages by words and by meaning.

use headwater_core::port::SharedStore;
use headwater_core::port::store::{ChunkHit, ChunkQuery, NewChunk, NewDocument};
use headwater_core::{Millis, limit};

use crate::given::user_id;

clauses! {
    a_document_is_listed_as_it_was_stored
    a_document_replaces_one_of_the_same_owner_and_source
    the_same_digest_is_nothing_to_do
    a_deleted_document_is_gone
    documents_belong_to_their_owner
    words_find_passages
    meanings_find_passages
    meanings_of_different_embedders_are_never_compared
    a_passage_found_both_ways_comes_once_with_both
    candidates_are_limited_and_the_best
    a_search_can_be_kept_to_a_folder
    a_search_can_be_narrowed
    a_search_for_nothing_finds_nothing
    hostile_words_are_words
    metadata_is_given_back_as_it_came
    what_is_no_metadata_is_refused
    a_document_of_many_passages_is_one_document
}

pub(crate) fn document(
    owner: Option<&str>,
    source: &str,
    chunks: &[(&str, Option<Vec<f32>>)],
) -> NewDocument {
    let chunks = chunks.iter().map(|(content, vector)| NewChunk {
        heading: "Car > Engine".into(),
        content: (*content).into(),
        vector: vector.clone(),
    });
    NewDocument {
        id: format!("id of {source}"),
        owner: owner.map(user_id),
        source: source.into(),
        document_type: "manual".into(),
        digest: "d1".into(),
        embedder: "e1".into(),
        metadata: "{}".into(),
        chunks: chunks.collect(),
        at: Millis(10),
    }
}

pub(crate) fn query(words: &[&str], vector: Option<(&str, Vec<f32>)>) -> ChunkQuery {
    ChunkQuery {
        owner: user_id("u"),
        words: words.iter().map(|w| (*w).to_owned()).collect(),
        vector: vector.map(|(embedder, vector)| (embedder.to_owned(), vector)),
        document_type: None,
        source: None,
        folder: None,
        candidates: 10,
    }
}

/// What was found, in an order that tests can name.
async fn found(store: &SharedStore, query: ChunkQuery) -> Vec<ChunkHit> {
    let mut hits = store.search(query).await.unwrap();
    hits.sort_by_key(|hit| hit.chunk_id);
    assert!(hits.windows(2).all(|w| w[0].chunk_id != w[1].chunk_id), "none twice");
    hits
}

fn contents(hits: &[ChunkHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.content.as_str()).collect()
}

async fn a_document_is_listed_as_it_was_stored(store: SharedStore) {
    store.put_document(document(None, "b.md", &[("one", None), ("two", None)])).await.unwrap();
    store.put_document(document(None, "a.md", &[])).await.unwrap();
    let listed = store.documents(None).await.unwrap();
    assert_eq!(listed.iter().map(|d| d.source.as_str()).collect::<Vec<_>>(), ["a.md", "b.md"]);
    let b = &listed[1];
    assert_eq!((b.id.as_str(), b.document_type.as_str(), b.digest.as_str()), ("id of b.md", "manual", "d1"));
    assert_eq!((b.chunks, b.first_indexed, b.last_indexed), (2, Millis(10), Millis(10)));
    assert_eq!(listed[0].chunks, 0);
}

async fn a_document_replaces_one_of_the_same_owner_and_source(store: SharedStore) {
    let old = document(None, "a.md", &[("the old engine", Some(vec![1.0])), ("the old wheel", None)]);
    store.put_document(old).await.unwrap();
    let before = found(&store, query(&["engine"], None)).await;
    let mut new = document(None, "a.md", &[("the new engine", Some(vec![1.0]))]);
    (new.id, new.digest, new.document_type, new.at) = ("fresh".into(), "d2".into(), "faq".into(), Millis(20));
    store.put_document(new).await.unwrap();
    let listed = store.documents(None).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.as_str(), listed[0].document_type.as_str()), ("fresh", "faq"));
    assert_eq!(
        (listed[0].chunks, listed[0].first_indexed, listed[0].last_indexed),
        (1, Millis(10), Millis(20))
    );
    let hits = found(&store, query(&["engine", "wheel", "old"], Some(("e1", vec![1.0])))).await;
    assert_eq!(contents(&hits), ["the new engine"]);
    assert_eq!((hits[0].document_id.as_str(), hits[0].indexed_at), ("fresh", Millis(20)));
    assert_ne!(hits[0].chunk_id, before[0].chunk_id, "an old hit must not mean a new passage");
}

async fn the_same_digest_is_nothing_to_do(store: SharedStore) {
    store.put_document(document(None, "a.md", &[("engine", None)])).await.unwrap();
    let before = found(&store, query(&["engine"], None)).await;
    let mut again = document(None, "a.md", &[("engine", None)]);
    (again.id, again.at) = ("fresh".into(), Millis(20));
    store.put_document(again).await.unwrap();
    assert_eq!(found(&store, query(&["engine"], None)).await, before);
    assert_eq!(store.documents(None).await.unwrap()[0].last_indexed, Millis(10));
}

async fn a_deleted_document_is_gone(store: SharedStore) {
    let chunks = [("engine", Some(vec![1.0])), ("engine two", None)];
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    store.put_document(document(None, "b.md", &[("engine three", None)])).await.unwrap();
    assert_eq!(store.delete_document(None, "c.md").await.unwrap(), None);
    assert_eq!(store.delete_document(None, "a.md").await.unwrap(), Some(2));
    assert_eq!(store.delete_document(None, "a.md").await.unwrap(), None);
    let hits = found(&store, query(&["engine"], Some(("e1", vec![1.0])))).await;
    assert_eq!(contents(&hits), ["engine three"]);
    assert_eq!(store.documents(None).await.unwrap().len(), 1);
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    assert_eq!(found(&store, query(&["engine"], None)).await.len(), 3);
}

/// Planted once: the owner left out of one of the two searches. The other's passage was found.
async fn documents_belong_to_their_owner(store: SharedStore) {
    let (u, v) = (user_id("u"), user_id("v"));
    let of = |owner, text| document(owner, "a.md", &[(text, Some(vec![1.0, 0.0]))]);
    store.put_document(of(None, "shared engine")).await.unwrap();
    store.put_document(of(Some("u"), "engine of u")).await.unwrap();
    store.put_document(of(Some("v"), "engine of v")).await.unwrap();
    assert_eq!(store.documents(None).await.unwrap().len(), 1);
    assert_eq!(store.documents(Some(&u)).await.unwrap().len(), 2);
    for ask in [query(&["engine"], None), query(&[], Some(("e1", vec![1.0, 0.0])))] {
        let hits = found(&store, ask.clone()).await;
        assert_eq!(contents(&hits), ["shared engine", "engine of u"]);
        let hits = found(&store, ChunkQuery { owner: user_id("w"), ..ask }).await;
        assert_eq!(contents(&hits), ["shared engine"]);
    }
    assert_eq!(store.delete_document(Some(&u), "a.md").await.unwrap(), Some(1));
    assert_eq!(store.delete_document(Some(&u), "a.md").await.unwrap(), None, "neither shared nor another's");
    assert_eq!(store.documents(Some(&v)).await.unwrap().len(), 2);
    assert_eq!(store.documents(None).await.unwrap().len(), 1);
}

async fn words_find_passages(store: SharedStore) {
    let chunks =
        [("the engine makes 128 HP", None), ("the wheel, four of them", None), ("engine engine oil", None)];
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    let hits = found(&store, query(&["oil", "128"], None)).await;
    assert_eq!(contents(&hits), [chunks[0].0, chunks[2].0], "any of the words");
    assert!(hits.iter().all(|hit| hit.bm25.unwrap() > 0.0 && hit.cosine.is_none()));
    assert_eq!(found(&store, query(&["hp"], None)).await.len(), 1, "whatever case it has");
    assert_eq!(found(&store, query(&["car"], None)).await.len(), 3, "headings count");
    assert!(found(&store, query(&["eng"], None)).await.is_empty(), "whole words");
    let hits = found(&store, query(&["engine", "oil"], None)).await;
    assert_eq!(hits.len(), 3, "one by its heading alone");
    let hit = &hits[2];
    assert!(hits[..2].iter().all(|other| other.bm25 < hit.bm25), "more words are better");
    assert_eq!((hit.source.as_str(), hit.document_type.as_str(), hit.index), ("a.md", "manual", 2));
    assert_eq!((hit.heading.as_str(), hit.document_id.as_str()), ("Car > Engine", "id of a.md"));
    assert_eq!(hit.indexed_at, Millis(10));
}

async fn meanings_find_passages(store: SharedStore) {
    let chunks = [
        ("east", Some(vec![2.0, 0.0])),
        ("north-east", Some(vec![1.0, 1.0])),
        ("west", Some(vec![-1.0, 0.0])),
        ("nowhere", Some(vec![0.0, 0.0])),
        ("unknown", None),
    ];
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    let hits = found(&store, query(&[], Some(("e1", vec![1.0, 0.0])))).await;
    assert_eq!(contents(&hits), ["east", "north-east", "west"]);
    let cosines: Vec<f64> = hits.iter().map(|hit| hit.cosine.unwrap()).collect();
    assert_eq!((cosines[0], cosines[2]), (1.0, -1.0));
    assert!((cosines[1] - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-6);
    assert!(hits.iter().all(|hit| hit.bm25.is_none()));
}

/// Planted once: no comparison of embedder ids. Meanings of another model came back with a cosine.
async fn meanings_of_different_embedders_are_never_compared(store: SharedStore) {
    store.put_document(document(None, "a.md", &[("engine", Some(vec![1.0, 0.0]))])).await.unwrap();
    assert!(found(&store, query(&[], Some(("e2", vec![1.0, 0.0])))).await.is_empty());
    let hits = found(&store, query(&["engine"], Some(("e2", vec![1.0, 0.0])))).await;
    assert_eq!((hits.len(), hits[0].cosine), (1, None));
    assert!(found(&store, query(&[], Some(("e1", vec![1.0])))).await.is_empty(), "nor other lengths");
}

async fn a_passage_found_both_ways_comes_once_with_both(store: SharedStore) {
    let chunks = [("engine", Some(vec![1.0, 0.0])), ("motor", Some(vec![0.9, 0.1]))];
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    let mut ask = query(&["motor"], Some(("e1", vec![1.0, 0.0])));
    ask.candidates = 1;
    // One by words, another by meaning; both have a meaning that was compared.
    let hits = found(&store, ask).await;
    assert_eq!(contents(&hits), ["engine", "motor"]);
    assert!(hits[0].bm25.is_none() && hits[1].bm25.is_some());
    assert!(hits.iter().all(|hit| hit.cosine.unwrap() > 0.9));
    let hits = found(&store, query(&["engine"], Some(("e1", vec![1.0, 0.0])))).await;
    assert_eq!((hits.len(), hits[0].bm25.is_some(), hits[0].cosine), (2, true, Some(1.0)));
}

async fn candidates_are_limited_and_the_best(store: SharedStore) {
    let texts: Vec<String> = (0..30).map(|n| format!("engine {}", "filler ".repeat(n))).collect();
    let chunks: Vec<_> =
        texts.iter().enumerate().map(|(n, t)| (t.as_str(), Some(vec![1.0, n as f32]))).collect();
    store.put_document(document(None, "a.md", &chunks)).await.unwrap();
    let mut by_words = query(&["engine"], None);
    let mut by_meaning = query(&[], Some(("e1", vec![1.0, 0.0])));
    (by_words.candidates, by_meaning.candidates) = (4, 5);
    let index = |hits: Vec<ChunkHit>| hits.iter().map(|hit| hit.index).collect::<Vec<_>>();
    assert_eq!(index(found(&store, by_words.clone()).await), [0, 1, 2, 3], "short passages say it louder");
    assert_eq!(index(found(&store, by_meaning).await), [0, 1, 2, 3, 4]);
    by_words.candidates = 0;
    assert!(found(&store, by_words).await.is_empty());
}

async fn a_search_can_be_narrowed(store: SharedStore) {
    for (source, kind) in [("a.md", "manual"), ("b.md", "faq"), ("c.md", "faq")] {
        let mut new = document(None, source, &[("engine", Some(vec![1.0]))]);
        new.document_type = kind.into();
        store.put_document(new).await.unwrap();
    }
    for ask in [query(&["engine"], None), query(&[], Some(("e1", vec![1.0])))] {
        let faq = ChunkQuery { document_type: Some("faq".into()), ..ask.clone() };
        assert_eq!(found(&store, faq.clone()).await.len(), 2);
        let b = found(&store, ChunkQuery { source: Some("b.md".into()), ..faq.clone() }).await;
        assert_eq!(b.iter().map(|h| h.source.as_str()).collect::<Vec<_>>(), ["b.md"]);
        assert!(found(&store, ChunkQuery { source: Some("a.md".into()), ..faq }).await.is_empty());
        // The limit counts what is left after narrowing, not before.
        let c = ChunkQuery { source: Some("c.md".into()), candidates: 1, ..ask };
        assert_eq!(found(&store, c).await.len(), 1);
    }
}

// Planted faults: the folder's condition left out of the words, or of the meanings; one's own document bound by it.
async fn a_search_can_be_kept_to_a_folder(store: SharedStore) {
    for source in ["a.md", "library/a.md", "library/deep/b.md", "libraryish/c.md"] {
        store.put_document(document(None, source, &[("engine", Some(vec![1.0]))])).await.unwrap();
    }
    store.put_document(document(Some("u"), "mine.md", &[("engine", Some(vec![1.0]))])).await.unwrap();
    for ask in [query(&["engine"], None), query(&[], Some(("e1", vec![1.0])))] {
        for (folder, expected) in [
            (Some(""), vec!["a.md", "mine.md"]),
            (Some("library"), vec!["library/a.md", "library/deep/b.md", "mine.md"]),
            (Some("nowhere"), vec!["mine.md"]),
            (None, vec!["a.md", "library/a.md", "library/deep/b.md", "libraryish/c.md", "mine.md"]),
        ] {
            let ask = ChunkQuery { folder: folder.map(str::to_owned), ..ask.clone() };
            let mut sources: Vec<_> = found(&store, ask).await.into_iter().map(|h| h.source).collect();
            sources.sort();
            assert_eq!(sources, expected, "{folder:?}");
        }
    }
}

async fn a_search_for_nothing_finds_nothing(store: SharedStore) {
    store.put_document(document(None, "a.md", &[("engine", Some(vec![1.0]))])).await.unwrap();
    assert!(found(&store, query(&[], None)).await.is_empty());
    assert!(found(&store, query(&["", " ", "?!", "\"\"", "😀"], None)).await.is_empty());
}

async fn hostile_words_are_words(store: SharedStore) {
    store.put_document(document(None, "a.md", &[("engine and oil near the NOT", None)])).await.unwrap();
    let hostile = [
        "\"",
        "\"\"",
        "'",
        "*",
        "engine*",
        "NEAR(",
        "NEAR(engine oil, 3)",
        "AND",
        "OR",
        "NOT",
        "^engine",
        "heading:engine",
        "{heading content}: engine",
        "-engine",
        "+",
        "(",
        ")",
        "\0",
        "eng\0ine",
        "\\",
        "%",
        "😀",
        "👨‍👩‍👧",
        "ｅｎｇｉｎｅ",
        "é",
        "\u{fffd}",
        "\u{feff}",
        ";--",
        "' OR 1=1",
        "\u{0e33}",
        "ß",
        "İ",
    ];
    for word in hostile {
        store.search(query(&[word], None)).await.unwrap_or_else(|e| panic!("{word:?}: {e}"));
    }
    store.search(query(&hostile, None)).await.unwrap();
    assert_eq!(found(&store, query(&["-engine*"], None)).await.len(), 1);
    let long = "x".repeat(100_000);
    let many = vec![long.as_str(); 3];
    assert!(found(&store, query(&many, None)).await.is_empty());
    let thousands: Vec<String> = (0..5_000).map(|n| format!("w{n}")).collect();
    let thousands: Vec<&str> = thousands.iter().map(String::as_str).collect();
    store.search(query(&thousands, None)).await.unwrap();
}

async fn metadata_is_given_back_as_it_came(store: SharedStore) {
    // Spaces, order and a name twice: it is not ours to tidy up.
    let said = "{ \"b\": [1, {\"c\": null}],\n\"a\":\"😀 ' \\u0000\", \"a\": 1e400000 }";
    let said = said.replace("1e400000", "1.50");
    let mut new = document(None, "a.md", &[("engine", Some(vec![1.0])), ("engine two", None)]);
    new.metadata = said.clone();
    store.put_document(new).await.unwrap();
    store.put_document(document(None, "b.md", &[("engine three", None)])).await.unwrap();
    let listed = store.documents(None).await.unwrap();
    assert_eq!(listed.iter().map(|d| d.metadata.as_str()).collect::<Vec<_>>(), [&said, "{}"]);
    let hits = found(&store, query(&["engine"], Some(("e1", vec![1.0])))).await;
    assert_eq!(hits.iter().map(|h| h.metadata.as_str()).collect::<Vec<_>>(), [&said, &said, "{}"]);
    let mut new = document(None, "a.md", &[("engine", None)]);
    (new.digest, new.metadata) = ("d2".into(), "{\"new\":true}".into());
    store.put_document(new).await.unwrap();
    assert_eq!(store.documents(None).await.unwrap()[0].metadata, "{\"new\":true}");
}

async fn what_is_no_metadata_is_refused(store: SharedStore) {
    let of = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    let long = of(limit::DOCUMENT_METADATA_BYTES + 1);
    for wrong in ["", "[]", "null", "{", "{}x", "{\"a\"}", "a text", &long] {
        let mut new = document(None, "a.md", &[("engine", None)]);
        new.metadata = wrong.into();
        let error = store.put_document(new).await.unwrap_err();
        assert!(error.0.contains("metadata") && !error.0.contains("a text"), "{error}");
    }
    assert!(store.documents(None).await.unwrap().is_empty());
    let mut new = document(None, "a.md", &[]);
    new.metadata = of(limit::DOCUMENT_METADATA_BYTES);
    store.put_document(new).await.unwrap();
}

/// Planted once: the last slice left out.
async fn a_document_of_many_passages_is_one_document(store: SharedStore) {
    let slice = limit::DOCUMENT_SLICE;
    for count in [0, 1, slice - 1, slice, slice + 1, 3 * slice, 3 * slice + 5] {
        let texts: Vec<String> = (0..count).map(|n| format!("engine w{n}")).collect();
        let chunks: Vec<_> = texts.iter().map(|t| (t.as_str(), Some(vec![1.0, 0.5]))).collect();
        let mut new = document(Some("u"), "a.md", &chunks);
        new.digest = format!("d{count}");
        store.put_document(new).await.unwrap();
        store.put_document(document(Some("v"), "a.md", &[("engine w0 of v", None)])).await.unwrap();
        let listed = store.documents(Some(&user_id("u"))).await.unwrap();
        assert_eq!(listed.iter().map(|d| d.chunks).collect::<Vec<_>>(), [count]);
        assert_eq!(listed[0].first_indexed, Millis(10));
        for ask in [query(&["engine"], None), query(&[], Some(("e1", vec![1.0, 0.5])))] {
            let hits = found(&store, ChunkQuery { candidates: 1_000, ..ask }).await;
            assert_eq!(hits.iter().map(|h| h.index).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            assert_eq!(contents(&hits), texts);
        }
    }
    let last = 3 * slice + 5;
    assert_eq!(store.delete_document(Some(&user_id("u")), "a.md").await.unwrap(), Some(last));
    assert!(found(&store, query(&["engine"], Some(("e1", vec![1.0, 0.5])))).await.is_empty());
    assert_eq!(store.documents(Some(&user_id("v"))).await.unwrap().len(), 1);
}
