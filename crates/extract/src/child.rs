//! Reading in a process of its own: the same program, called with a word that nobody types, with a bound on
//! its memory and its processor time that it sets itself before it reads the first byte.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use async_trait::async_trait;
use headwater_core::limit;
use headwater_core::port::extract::{Extract, ExtractError, Format};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::{InProcess, refused, text_of};

/// The child refused the file; its reason is on its standard output.
const REFUSED: u8 = 3;
/// The child could not do its work, which is no fault of the file; its reason is on its standard output.
const FAILED: u8 = 1;
/// It could not write to its standard output: what is there may be a piece of the document.
const UNSAID: u8 = 4;
/// Bytes of a reason.
const REASON_BYTES: usize = 1024;

/// Reads PDF and DOCX in child processes of `program`, at most [`limit::extract::AT_ONCE`] at once.
#[derive(Debug)]
pub struct Child {
    program: PathBuf,
    arguments: Vec<String>,
    places: Semaphore,
}

impl Child {
    /// `program arguments… <format> <path>` must end in [`child_main`].
    #[must_use]
    pub fn new(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        Self { program, arguments, places: Semaphore::new(limit::extract::AT_ONCE) }
    }

    async fn ask(&self, format: Format, path: &Path) -> Result<String, ExtractError> {
        let _place = self.places.acquire().await.map_err(|e| ExtractError::Failed(e.to_string()))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(format.as_str())
            .arg(path)
            // Keys of providers are no business of a process that reads strangers' files.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| ExtractError::Failed(format!("the reading process cannot be started: {e}")))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(ExtractError::Failed("the reading process has no output".to_owned()));
        };
        let most = limit::DOCUMENT_TEXT_BYTES as u64 + 1;
        let (mut said, mut bounded) = (Vec::new(), stdout.take(most));
        let talk = async {
            bounded.read_to_end(&mut said).await?;
            // More than it may say: nobody reads on, and it would wait for ever.
            if said.len() as u64 == most {
                child.start_kill()?;
            }
            child.wait().await
        };
        let ended = match tokio::time::timeout(limit::extract::TIME, talk).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(e)) => return Err(ExtractError::Failed(format!("the reading process: {e}"))),
            Err(_) => return Err(refused("The file takes too long to read; split it or save it anew")),
        };
        if said.len() as u64 == most {
            return Err(crate::too_long());
        }
        let text = String::from_utf8(said)
            .map_err(|_| ExtractError::Failed("the reading process said what is no UTF-8".to_owned()))?;
        match ended.code() {
            Some(0) => Ok(text),
            Some(code) if code == i32::from(REFUSED) => {
                Err(refused(text.chars().take(REASON_BYTES).collect::<String>()))
            }
            Some(code) if code == i32::from(FAILED) => {
                let why = text.chars().take(REASON_BYTES).collect::<String>();
                Err(ExtractError::Failed(format!("the reading process: {why}")))
            }
            Some(code) if code == i32::from(UNSAID) => {
                Err(ExtractError::Failed("the reading process could not write".to_owned()))
            }
            // A signal (its bounds, its stack) or an abort (its memory): the file is at fault, not we.
            code => {
                tracing::info!(?code, format = format.as_str(), "a document ended the process that read it");
                Err(refused("The file is damaged, or takes more memory or time to read than it may"))
            }
        }
    }
}

#[async_trait]
impl Extract for Child {
    async fn extract(&self, format: Format, path: &Path) -> Result<String, ExtractError> {
        match format {
            // Text needs no parser, so there is nothing to be protected from.
            Format::Text | Format::Markdown => InProcess.extract(format, path).await,
            Format::Pdf | Format::Docx => self.ask(format, path).await,
        }
    }
}

/// The child: bounds itself, reads the file, writes its text or the reason why there is none to standard
/// output. Must be called before the program starts a thread.
#[must_use]
pub fn child_main(format: &str, path: &Path) -> ExitCode {
    if let Err(error) = confine() {
        // Without its bounds it would be no better than reading in the server.
        return failed(&format!("it cannot be bounded: {error}"));
    }
    let Some(format) = Format::ALL.into_iter().find(|f| f.as_str() == format) else {
        return failed("it knows no such format");
    };
    let mut bytes = Vec::new();
    let most = limit::UPLOAD_BYTES + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    if let Err(error) = read {
        return failed(&format!("the file cannot be read: {error}"));
    }
    if bytes.len() as u64 == most {
        return failed("the file is larger than one that was received can be");
    }
    match text_of(format, bytes) {
        Ok(text) => answer(ExitCode::SUCCESS, &text),
        Err(ExtractError::Refused(why)) => answer(ExitCode::from(REFUSED), &why),
        Err(ExtractError::Failed(why)) => failed(&why),
    }
}

fn answer(code: ExitCode, text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::from(UNSAID),
    }
}

fn failed(why: &str) -> ExitCode {
    answer(ExitCode::from(FAILED), why)
}

/// At most this. A hard limit that is lower already stays: nobody but root may raise it.
fn bounded(now: &Rlimit, most: u64) -> Rlimit {
    let most = now.maximum.map_or(most, |hard| hard.min(most));
    Rlimit { current: Some(most), maximum: Some(most) }
}

/// Nothing beyond these, for this process and for ever.
fn confine() -> rustix::io::Result<()> {
    let bound = |resource, most| setrlimit(resource, bounded(&getrlimit(resource), most));
    bound(Resource::As, limit::extract::MEMORY)?;
    bound(Resource::Cpu, limit::extract::CPU_SECONDS)?;
    // It writes to its standard output only, and a crash leaves no picture of somebody's document.
    bound(Resource::Fsize, 0)?;
    bound(Resource::Core, 0)?;
    // When the server dies the reader has nobody to read for.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(script: &str) -> Result<String, ExtractError> {
        Child::new("/bin/sh".into(), &["-c", script]).extract(Format::Pdf, Path::new("/nowhere")).await
    }

    // Planted fault: every other code the file's fault; a full table of processes was then a damaged file.
    #[tokio::test]
    async fn what_is_our_fault_is_not_blamed_on_the_file() {
        match told("echo it cannot be bounded; exit 1").await {
            Err(ExtractError::Failed(why)) => assert!(why.contains("it cannot be bounded"), "{why}"),
            other => panic!("{other:?}"),
        }
        match told("echo a piece of the document; exit 4").await {
            Err(ExtractError::Failed(why)) => assert!(!why.contains("piece"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(told("echo a scan; exit 3").await, Err(ExtractError::Refused(why)) if why == "a scan\n")
        );
        for end in ["exit 101", "kill -9 $$"] {
            let why = told(end).await;
            assert!(matches!(&why, Err(ExtractError::Refused(why)) if why.contains("damaged")), "{why:?}");
        }
        assert_eq!(told("echo words").await.unwrap(), "words\n");
    }

    // Planted fault: the hard limit not looked at; setting it higher is refused to everybody but root.
    #[test]
    fn a_lower_limit_stays() {
        let of = |current, maximum, most| {
            let bound = bounded(&Rlimit { current, maximum }, most);
            (bound.current, bound.maximum)
        };
        assert_eq!(of(None, None, 60), (Some(60), Some(60)));
        assert_eq!(of(Some(10), Some(100), 60), (Some(60), Some(60)));
        assert_eq!(of(Some(30), Some(30), 60), (Some(30), Some(30)));
        assert_eq!(of(Some(0), Some(0), 60), (Some(0), Some(0)));
    }
}
