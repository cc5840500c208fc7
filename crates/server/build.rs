//! Writes the table of the embedded pages: one row a file of `ui/dist`, found at build time, so that a
//! binary has its pages in it and a path that is not in the table does not exist.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Pages that the server routes to by name; a build without one of them is broken.
const PAGES: [&str; 7] = [
    "index.html",
    "ws-test.html",
    "ai-test.html",
    "tutor-test.html",
    "orchestrate-test.html",
    "docs.html",
    "knowledge.html",
];
/// The protocols' descriptions, which the page of the API leads to. Read as text, by people.
const PROTOCOLS: [&str; 5] = ["native.md", "chat.md", "ai_stream.md", "tutor.md", "orchestrate.md"];

#[allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    // A folder is watched whole: new and removed files count, too.
    println!("cargo::rerun-if-changed=ui");
    let dist = root.join("ui/dist");
    let mut files = Vec::new();
    list(&dist, "", &mut files)?;
    // The order of a folder is the file system's; the binary's is not.
    files.sort();
    for page in PAGES {
        if !files.iter().any(|file| file == page) {
            return Err(
                format!("crates/server/ui/dist/{page} is missing: run `npm run build` in web/").into()
            );
        }
    }
    let mut table = String::from("&[\n");
    for file in &files {
        row(&mut table, &format!("/{file}"), &dist.join(file))?;
    }
    let licences = root.join("ui/THIRD_PARTY.md");
    if licences.is_file() {
        row(&mut table, "/THIRD_PARTY.md", &licences)?;
    }
    let protocols = root.join("../../docs/protocol");
    println!("cargo::rerun-if-changed={}", protocols.display());
    for page in PROTOCOLS {
        row(&mut table, &format!("/docs/{page}"), &protocols.join(page))?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("embedded.rs"), table)?;
    Ok(())
}

fn row(table: &mut String, name: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let path = file.to_str().ok_or("a path of the pages is not UTF-8")?;
    writeln!(table, "    ({name:?}, include_bytes!({path:?}).as_slice()),")?;
    Ok(())
}

/// Names below `folder`, with `/` between their parts on every system.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a name of the pages is not UTF-8")?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file() && !name.starts_with('.') {
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
