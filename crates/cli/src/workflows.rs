//! What this server can do: the files of assistants, tutor and teams, read and checked together, and the workflows
//! that are made of them.

use std::sync::Arc;

use headwater_core::port::SharedEmbedder;
use headwater_engine::assistant::tutor_file::TutorFile;
use headwater_engine::handoff::Teller;
use headwater_engine::ingest::Text;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::workflow::teams::{Teams, TeamsFile};
use headwater_engine::workflow::tutor::Tutor;
use headwater_engine::{Models, Tasks};
use headwater_server::app::Dialects;

use crate::Failure;
use crate::knowledge::{self, Equipped};
use crate::settings::Settings;

/// The plain workflow, which has no file.
const GENERATE: &str = "generate";

/// Every file; see the module.
pub(crate) struct Files {
    /// The first answers the chat. Never empty.
    assistants: Vec<Equipped>,
    tutor: TutorFile,
    teams: TeamsFile,
}

impl Files {
    /// Reads them; all that is wrong, at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Failure> {
        let assistants = knowledge::all(settings.assistant.as_deref(), &settings.assistants);
        let tutor = knowledge::tutor(settings.tutor.as_deref());
        let teams = knowledge::teams(settings.teams.as_deref());
        let mut problems = Vec::new();
        let (assistants, tutor, teams) =
            (note(assistants, &mut problems)?, note(tutor, &mut problems)?, note(teams, &mut problems)?);
        let (Some(assistants), Some(tutor), Some(teams)) = (assistants, tutor, teams) else {
            return Err(Failure::Usage(problems));
        };
        let files = Self { assistants, tutor, teams };
        problems.extend(files.same_names());
        if problems.is_empty() { Ok(files) } else { Err(Failure::Usage(problems)) }
    }

    /// The workflow that answers the chat.
    pub(crate) fn chat(&self) -> Arc<str> {
        self.assistants.first().map_or("", |e| e.assistant.name.as_str()).into()
    }

    /// What is to be indexed: nobody needs it in memory afterwards.
    pub(crate) fn take_documents(&mut self) -> Vec<Text> {
        self.assistants.iter_mut().flat_map(|e| std::mem::take(&mut e.documents)).collect()
    }

    /// Whether every model is there that is named.
    pub(crate) fn check(&self, is_there: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let assistants = self.assistants.iter().flat_map(|e| e.assistant.missing_models(&is_there));
        let mut missing: Vec<_> = assistants.collect();
        missing.extend(self.tutor.missing_models(&is_there));
        missing.extend(self.teams.missing_models(&is_there));
        if missing.is_empty() { Ok(()) } else { Err(Failure::Usage(missing)) }
    }

    /// Two workflows of one name: only one of them could be asked for.
    fn same_names(&self) -> Vec<String> {
        let assistants = self.assistants.iter().map(|e| e.assistant.name.as_str());
        let names: Vec<_> =
            [GENERATE].into_iter().chain(assistants).chain([&*self.tutor.name, &*self.teams.name]).collect();
        let twice = names.iter().enumerate().filter(|(n, name)| names.iter().take(*n).any(|b| b == *name));
        twice
            .map(|(_, name)| {
                format!("two workflows are called `{name}`; change `name` in one of their files")
            })
            .collect()
    }

    /// The workflows, and the dialects with the names of theirs.
    pub(crate) async fn open(
        self,
        models: &Models,
        embedder: Option<&SharedEmbedder>,
        teller: Option<&Teller>,
        dialects: Dialects,
        tasks: &Tasks,
    ) -> (Vec<Arc<dyn Workflow>>, Dialects) {
        let dialects = Dialects {
            tutor: self.tutor.name.as_str().into(),
            teams: self.teams.name.as_str().into(),
            ..dialects
        };
        let tutor = Arc::new(Tutor::new(self.tutor, models.clone(), embedder.cloned()));
        // Nobody waits for it: a feeling is told by its words until then.
        let warming = Arc::clone(&tutor);
        let stopping = tasks.stopping().clone();
        tasks.spawn("feelings", async move {
            stopping.run_until_cancelled(warming.warm()).await;
        });
        let mut workflows: Vec<Arc<dyn Workflow>> = vec![
            Arc::new(Generate::new(models.clone())),
            tutor,
            Arc::new(Teams::new(self.teams, models.clone())),
        ];
        for Equipped { assistant, folder, .. } in self.assistants {
            let assist = Assist::new(assistant, models.clone(), embedder.cloned());
            let assist = assist.telling(teller.cloned()).knowing(folder);
            assist.warm().await;
            workflows.push(Arc::new(assist));
        }
        (workflows, dialects)
    }
}

/// What was read; what is wrong with it goes to the other problems.
fn note<T>(read: Result<T, Failure>, problems: &mut Vec<String>) -> Result<Option<T>, Failure> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Failure::Usage(found)) => {
            problems.extend(found);
            Ok(None)
        }
        Err(failed @ Failure::Failed(_)) => Err(failed),
    }
}
