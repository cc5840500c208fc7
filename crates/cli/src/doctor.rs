//! `headwater doctor`: whether a server could start here and answer, and what to do where not. Nothing is
//! changed; what it writes to see whether it can is removed again.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use headwater_server::auth::secret;

use crate::args::DoctorArgs;
use crate::models::Listed;
use crate::serve::DATABASE;
use crate::settings::{
    Answering, Asked, BUILT_IN, DEFAULT, HostRow, KeyFrom, Settings, answering_of, data_folder, environment,
};
use crate::{Failure, knowledge, models, provider};

/// Free bytes of a disk: below the first a server soon fails, below the second somebody should know.
const TOO_LITTLE: u64 = 256 << 20;
const LITTLE: u64 = 2 << 30;
/// A database up to this size is read whole here; `headwater check` reads any.
const READ_WHOLE: u64 = 64 << 20;
/// Files beside connections: the database, its readers, uploads, sockets to hosts.
const FILES_BESIDE: u64 = 256;

const LOCAL: &str = "local model";

/// What was found.
enum Found {
    Good(String),
    /// It will run, but perhaps not as meant: what, and what to do.
    Odd(String, String),
    /// It will not run: what, and what to do.
    Bad(String, String),
}
use Found::{Bad, Good, Odd};

/// Looks at everything, prints it, and fails where a server would.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    let mut found = Vec::new();
    let settings = Settings::of(&args.serve);
    match &settings {
        Ok(_) => found.push(Good("settings: all of them can be used".to_owned())),
        Err(Failure::Usage(problems)) => found.extend(problems.iter().map(|problem| {
            Bad(format!("settings: {problem}"), "`headwater settings` lists them all".to_owned())
        })),
        Err(Failure::Failed(why)) => found.push(Bad(format!("settings: {why}"), "mend the file".to_owned())),
    }
    // With wrong settings the rest is still worth looking at, as far as it can be read.
    let asked = args.serve.asked().unwrap_or_default();
    let data = data_folder(&asked);
    found.push(folder(&data));
    found.extend(disk(&data));
    found.extend(secret_file(&data));
    found.extend(database(&data));
    if let Ok(settings) = &settings {
        found.extend(settings.listen.iter().map(|(_, address)| free(*address)));
        found.push(open_files(settings.facing.limits.connections as u64));
    }
    found.extend(local_models(&asked));
    found.extend(assistants(&asked));
    found.push(tutor(&asked));
    found.push(teams(&asked));
    if let Ok(answering) = answering_of(&asked) {
        found.extend(answering.missing_keys(&environment).into_iter().map(keyless));
        found.extend(answering.used().filter_map(unusable));
        found.extend(prices(&answering));
        found.extend(unused_keys(&answering));
        if !args.offline {
            found.extend(hosts(&answering)?);
        }
    }
    print(&found)
}

fn print(found: &[Found]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for one in found {
        match one {
            Good(what) => writeln!(out, "ok    {what}"),
            Odd(what, to_do) => writeln!(out, "odd   {what}\n      → {to_do}"),
            Bad(what, to_do) => writeln!(out, "BAD   {what}\n      → {to_do}"),
        }
        .map_err(Failure::of)?;
    }
    let bad = found.iter().filter(|one| matches!(one, Bad(..))).count();
    if bad > 0 { Err(Failure::Failed(format!("{bad} things are to be mended"))) } else { Ok(()) }
}

/// The nearest folder that exists: what is not there yet is made under it.
fn existing(data: &Path) -> &Path {
    let mut at = data;
    while !at.exists() {
        match at.parent() {
            Some(parent) if parent.as_os_str().is_empty() => return Path::new("."),
            Some(parent) => at = parent,
            None => return Path::new("/"),
        }
    }
    at
}

fn folder(data: &Path) -> Found {
    let (shown, at) = (data.display(), existing(data));
    let written = tempfile::NamedTempFile::new_in(at)
        .and_then(|mut file| file.write_all(b"headwater doctor").and_then(|()| file.as_file().sync_all()));
    match written {
        Ok(()) if at == data => Good(format!("data: {shown} can be written")),
        Ok(()) => Good(format!("data: {shown} is not there yet and can be made")),
        Err(why) => Bad(
            format!("data: nothing can be written to {}: {why}", at.display()),
            "give the folder to the user that runs the server, or name another with `data`".to_owned(),
        ),
    }
}

fn disk(data: &Path) -> Option<Found> {
    let disk = rustix::fs::statvfs(existing(data)).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let what = format!("disk: {} MiB free for the data folder", free >> 20);
    let to_do = "make room, set `retention_days`, or move `data`".to_owned();
    Some(match free {
        ..TOO_LITTLE => Bad(what, to_do),
        TOO_LITTLE..LITTLE => Odd(what, to_do),
        LITTLE.. => Good(what),
    })
}

fn secret_file(data: &Path) -> Option<Found> {
    let file = data.join(secret::FILE);
    let mode = std::fs::metadata(&file).ok()?.permissions().mode() & 0o777;
    let shown = file.display();
    Some(if mode & 0o077 == 0 {
        Good(format!("secret: {shown} is its owner's alone"))
    } else {
        Odd(format!("secret: others may read {shown} (mode {mode:o})"), format!("chmod 600 {shown}"))
    })
}

fn database(data: &Path) -> Option<Found> {
    let file = data.join(DATABASE);
    let size = std::fs::metadata(&file).ok()?.len();
    let shown = file.display();
    if size > READ_WHOLE {
        let what = format!("database: {shown} has {} MiB; not read here", size >> 20);
        return Some(Odd(what, "`headwater check` reads it whole".to_owned()));
    }
    Some(match headwater_store::check(&file) {
        Ok(checked) => Good(format!("database: {shown} is sound, {} runs", checked.runs)),
        Err(why) => {
            Bad(format!("database: {why}"), "`headwater restore` puts a backup in its place".to_owned())
        }
    })
}

fn free(address: std::net::SocketAddr) -> Found {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Good(format!("listen: {address} is free")),
        Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => Odd(
            format!("listen: somebody listens on {address} already"),
            "if that is a running headwater, all is well; else choose another with --listen".to_owned(),
        ),
        Err(why) => Bad(
            format!("listen: {address} cannot be listened on: {why}"),
            "choose another address with --listen".to_owned(),
        ),
    }
}

fn open_files(connections: u64) -> Found {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let (wanted, limit) = (connections + FILES_BESIDE, limit.unwrap_or(u64::MAX));
    if limit >= wanted {
        return Good(format!("files: {connections} connections fit into the limit of open files"));
    }
    Odd(
        format!("files: {limit} may be open at once, {connections} connections want {wanted}"),
        format!("`ulimit -n {wanted}` (LimitNOFILE in systemd), or fewer `connections`"),
    )
}

fn local_models(asked: &Asked) -> Vec<Found> {
    let to_do = "`make model` fetches it, or name its folder with `models`";
    let asked_for = answering_of(asked).is_ok_and(|a| {
        a.aliases.iter().flat_map(|alias| &alias.links).any(|link| link.provider == BUILT_IN[0])
    });
    [
        (LOCAL, provider::local_file(asked), "without it `provider` has to name somebody else"),
        (
            "embeddings",
            provider::embeddings_folder(asked),
            "without them the knowledge base is searched by words alone",
        ),
    ]
    .into_iter()
    .map(|(what, found, without)| match found {
        Ok(path) => Good(format!("{what}: {}", path.display())),
        Err(why) if asked_for && what == LOCAL => Bad(format!("{what}: {why}"), to_do.to_owned()),
        Err(why) => Odd(format!("{what}: {why}; {without}"), to_do.to_owned()),
    })
    .collect()
}

/// The assistants' files, their documents, and the aliases that they name.
fn assistants(asked: &Asked) -> Vec<Found> {
    let file = asked.some("assistant").map(std::path::PathBuf::from);
    let beside: Vec<_> = asked.all("assistants").0.into_iter().map(std::path::PathBuf::from).collect();
    let all = match knowledge::all(file.as_deref(), &beside) {
        Ok(all) => all,
        Err(Failure::Usage(problems)) => {
            return vec![Bad(format!("assistant: {}", problems.join("; ")), mend())];
        }
        Err(Failure::Failed(why)) => return vec![Bad(format!("assistant: {why}"), mend())],
    };
    let names = aliases(asked);
    let there = |alias: &str| names.iter().any(|name| name == alias);
    let look =
        |knowledge::Equipped { assistant, documents, .. }| match assistant.missing_models(there).as_slice() {
            [] => Good(format!("assistant: {} with {} documents", assistant.name, documents.len())),
            problems => Bad(format!("assistant: {}", problems.join("; ")), mend()),
        };
    all.into_iter().map(look).collect()
}

/// The names of the models that can be asked for.
fn aliases(asked: &Asked) -> Vec<String> {
    let named = answering_of(asked).map(|a| a.aliases.into_iter().map(|a| a.name).collect::<Vec<_>>());
    let mut names = named.unwrap_or_default();
    names.push(DEFAULT.to_owned());
    names
}

/// The teams' file, and the aliases that it names.
fn teams(asked: &Asked) -> Found {
    let mend = || "docs/teams.md says what such a file may have".to_owned();
    let file = asked.some("teams").map(std::path::PathBuf::from);
    let teams = match knowledge::teams(file.as_deref()) {
        Ok(teams) => teams,
        Err(Failure::Usage(problems)) => return Bad(format!("teams: {}", problems.join("; ")), mend()),
        Err(Failure::Failed(why)) => return Bad(format!("teams: {why}"), mend()),
    };
    let names = aliases(asked);
    match teams.missing_models(|alias| names.iter().any(|name| name == alias)).as_slice() {
        [] => Good(format!("teams: {}", teams.teams().collect::<Vec<_>>().join(", "))),
        problems => Bad(format!("teams: {}", problems.join("; ")), mend()),
    }
}

/// The tutor's file, and the aliases that it names.
fn tutor(asked: &Asked) -> Found {
    let mend = || "docs/tutor.md says what such a file may have".to_owned();
    let file = asked.some("tutor").map(std::path::PathBuf::from);
    let tutor = match knowledge::tutor(file.as_deref()) {
        Ok(tutor) => tutor,
        Err(Failure::Usage(problems)) => return Bad(format!("tutor: {}", problems.join("; ")), mend()),
        Err(Failure::Failed(why)) => return Bad(format!("tutor: {why}"), mend()),
    };
    let names = answering_of(asked).map(|a| a.aliases.into_iter().map(|a| a.name).collect::<Vec<_>>());
    let names = names.unwrap_or_default();
    match tutor.missing_models(|alias| alias == DEFAULT || names.iter().any(|name| name == alias)).as_slice()
    {
        [] => Good(format!("tutor: {} with {} categories", tutor.name, tutor.categories().len())),
        problems => Bad(format!("tutor: {}", problems.join("; ")), mend()),
    }
}

fn mend() -> String {
    "docs/assistants.md says what such a file may have".to_owned()
}

/// A server starts without it, and answers nobody.
fn keyless(problem: String) -> Found {
    Bad(format!("key: {problem}"), "set it, or name another `provider`".to_owned())
}

/// A host that cannot even be asked: its key file, its certificates, its headers, its address.
fn unusable(row: &HostRow) -> Option<Found> {
    let why = provider::host(row, None).err()?;
    Some(Bad(
        format!("provider: {}: {why}", row.name),
        "docs/models.md says what stands in its table".to_owned(),
    ))
}

fn prices(answering: &Answering) -> Vec<Found> {
    let table = match provider::prices(answering) {
        Ok(table) => table,
        Err(Failure::Usage(problems)) => {
            let to_do = "docs/models.md has an example";
            return problems.into_iter().map(|p| Bad(format!("prices: {p}"), to_do.to_owned())).collect();
        }
        Err(Failure::Failed(why)) => return vec![Bad(format!("prices: {why}"), "mend the file".to_owned())],
    };
    let links = answering.aliases.iter().flat_map(|a| &a.links);
    let unknown = links.filter_map(|link| {
        let host = answering.hosts.get(&link.provider)?;
        let model = link.model.as_deref().or(host.model.as_deref())?;
        provider::price(&table, host, model).is_none().then(|| {
            Odd(
                format!("prices: what {}/{model} costs is not known, so its runs have no cost", host.name),
                "say it in a file of `prices`".to_owned(),
            )
        })
    });
    unknown.collect()
}

fn unused_keys(answering: &Answering) -> Vec<Found> {
    let unused = answering.hosts.values().filter(|h| answering.used().all(|used| used.name != h.name));
    let unused = unused.filter_map(|host| match &host.key {
        KeyFrom::Env(name, _) if std::env::var(name).is_ok_and(|k| !k.trim().is_empty()) => Some(Odd(
            format!("{name} is set and nobody asks {}", host.name),
            format!("`--provider {}` answers with it", host.name),
        )),
        _ => None,
    });
    unused.collect()
}

fn hosts(answering: &Answering) -> Result<Vec<Found>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::of)?;
    let mut found = Vec::new();
    for host in answering.used().filter(|host| host.key_missing(&environment).is_none()) {
        let named = answering.aliases.iter().flat_map(|a| &a.links).filter(|l| l.provider == host.name);
        for link in named {
            let model = link.model.as_deref().or(host.model.as_deref()).unwrap_or_default();
            let who = format!("{}/{model}", host.name);
            found.push(match runtime.block_on(models::answers(host, model)) {
                Ok(Listed::There(what)) => Good(format!("provider: {who} {what}")),
                Ok(Listed::Missing(what)) => Odd(
                    format!("provider: {who} {what}"),
                    "if `headwater ask` gets an answer all the same, all is well".to_owned(),
                ),
                Err(why) => Bad(
                    format!("provider: {who}: {why}"),
                    "look at its address, its key and the model's name; `headwater models` shows them"
                        .to_owned(),
                ),
            });
        }
    }
    Ok(found)
}
