//! Prints the JSON Schema of the native protocol; `make gen` keeps it in `docs/protocol/`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    println!("{}", headwater_server::wire::schema());
}
