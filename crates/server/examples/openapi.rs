//! Prints `/openapi.json` for people to read; `make gen` keeps it in `docs/`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    println!("{}", headwater_server::http::openapi::pretty());
}
