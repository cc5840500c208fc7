//! The history of several jobs, page by page.

use serde_json::{Value, json};

use super::{ask, begin, get, house, until_status};

fn ids(body: &Value) -> Vec<&str> {
    body["jobs"].as_array().unwrap().iter().map(|line| line["job_id"].as_str().unwrap()).collect()
}

// Planted fault: pages from 0.
#[tokio::test]
async fn the_history_of_many_jobs_is_read_in_pages() {
    let (house, mut jobs) = house().await;
    let mut made: Vec<String> = Vec::new();
    for n in 0..5 {
        let (id, job) = begin(&house, &mut jobs).await;
        if n == 1 {
            job.fail("google", "no").await;
            job.complete("anthropic", "a").await;
        } else {
            job.complete("anthropic", "a").await;
            job.complete("google", "g").await;
        }
        drop(job);
        let ends = if n == 1 { "error" } else { "complete" };
        until_status(&house, &id, |body| body["status"] == ends).await;
        made.insert(0, id);
    }
    let made: Vec<_> = made.iter().map(String::as_str).collect();
    let of = async |query: &str| get(&house, &format!("/api/orchestrate/history?{query}")).await;
    for (query, found, about) in [
        ("", &made[..], (5, 50, 0, 1)),
        ("limit=2", &made[..2], (5, 2, 0, 1)),
        ("limit=2&offset=2", &made[2..4], (5, 2, 2, 2)),
        ("limit=2&offset=3", &made[3..], (5, 2, 3, 2)),
        ("page=1&page_size=2", &made[..2], (5, 2, 0, 1)),
        ("page=2&page_size=2", &made[2..4], (5, 2, 2, 2)),
        ("page=3&page_size=2", &made[4..], (5, 2, 4, 3)),
        ("page=4&page_size=2", &[], (5, 2, 6, 4)),
        ("status=error", &made[3..4], (1, 50, 0, 1)),
        ("status=complete&page=2&page_size=3", &made[4..], (4, 3, 3, 2)),
        ("status=awaiting", &[], (0, 50, 0, 1)),
    ] {
        let body = of(query).await;
        assert_eq!(ids(&body), found, "{query}");
        let number = |key: &str| body[key].as_u64().unwrap();
        assert_eq!((number("total"), number("limit"), number("offset"), number("page")), about, "{query}");
        assert_eq!(body["page_size"], body["limit"]);
    }
    let (status, body) = ask(&house, "bob", "GET", "/api/orchestrate/history?page=1", None).await;
    assert_eq!((status, &body["total"], &body["jobs"]), (200, &json!(0), &json!([])));
}
