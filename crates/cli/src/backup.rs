//! `headwater backup`, `restore` and `check`: the database as a file, while the server runs or instead of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use headwater_store::{Checked, CopyError};

use crate::Failure;
use crate::args::{BackupArgs, CheckArgs, RestoreArgs};
use crate::logs::say;
use crate::serve::DATABASE;
use crate::settings::{Asked, data_folder};

/// Copies the database of the data folder, and says what is in the copy.
pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let data = folder(args.config.as_deref(), args.data.as_deref())?;
    let begun = Instant::now();
    let copied = headwater_store::backup(&data.join(DATABASE), &args.file, args.force, progress);
    let copied = copied.map_err(|error| match error {
        CopyError::Exists(_) => Failure::Failed(format!("{error}; --force replaces a backup")),
        error => Failure::of(error),
    })?;
    let (file, bytes, seconds) = (args.file.display(), copied.bytes, begun.elapsed().as_secs_f64());
    print(&format!("{file}: {bytes} bytes in {seconds:.1} s; {}", contents(&copied.checked)))
}

/// Puts a backup in the place of the data folder's database.
pub(crate) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let data = folder(args.config.as_deref(), args.data.as_deref())?;
    let shown = data.display();
    std::fs::create_dir_all(&data)
        .map_err(|e| Failure::Failed(format!("the data folder {shown} cannot be made: {e}")))?;
    let begun = Instant::now();
    let restored =
        headwater_store::restore(&args.file, &data.join(DATABASE), progress).map_err(Failure::of)?;
    let (bytes, seconds) = (restored.copied.bytes, begun.elapsed().as_secs_f64());
    if let Some(before) = restored.before {
        say(&format!(
            "the database of before is {}; remove it once the server runs and nothing is missed",
            before.display()
        ));
    }
    say("start the server now. What was written after the backup is not in it: answers that were under way \
         then end as interrupted, and tokens stay good as long as secret.key is the same");
    print(&format!("{shown}: {bytes} bytes in {seconds:.1} s; {}", contents(&restored.copied.checked)))
}

/// Reads the whole database.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => folder(args.config.as_deref(), args.data.as_deref())?.join(DATABASE),
    };
    let checked = headwater_store::check(&file).map_err(Failure::of)?;
    print(&format!("{} is sound: {}", file.display(), contents(&checked)))
}

fn folder(config: Option<&Path>, data: Option<&str>) -> Result<PathBuf, Failure> {
    let flags = [("data", data.map(str::to_owned))];
    let asked = Asked::gather(config, std::env::vars_os(), &flags).map_err(Failure::Usage)?;
    Ok(data_folder(&asked))
}

fn progress(done: u64, all: u64) {
    say(&format!("{} of about {} MiB", done >> 20, all.max(done) >> 20));
}

fn contents(checked: &Checked) -> String {
    let Checked { runs, messages, documents, users, records, counters, .. } = checked;
    format!(
        "{runs} runs, {messages} messages, {documents} documents, {users} accounts, {records} records, {counters} counters"
    )
}

fn print(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(Failure::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_found_is_said() {
        let (runs, batches, messages, documents, users, records, counters) = (1, 2, 3, 4, 5, 6, 7);
        let checked = Checked { runs, batches, messages, documents, users, records, counters };
        let said = "1 runs, 3 messages, 4 documents, 5 accounts, 6 records, 7 counters";
        assert_eq!(contents(&checked), said);
    }
}
