//! `lifeboat resume`: a run taken up where its journal ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;

use crate::actions::Begun;
use crate::clock::Clock;
use crate::engine::{Opening, RunState, opening};
use crate::error::Fault;
use crate::host::{HostConfig, Hosts, Policy, Secret, SshConfig};
use crate::journal::{self, JournalError, RunFolder};
use crate::names::VariableName;
use crate::runbook::model::{Mode, Runbook};
use crate::runner::{self, Launch, Resumption, RunHandle};

use super::answers::{self, Answers};
use super::args::ResumeArgs;
use super::console::{Conclusion, Console, as_typed, verdict};
use super::correct::correct;
use super::drill::refuse_aborted;
use super::ending::{home_of, refused};
use super::exit::{Exit, Failure};
use super::forms;
use super::handover::take_over;
use super::homeward::failbacks;
use super::logins::{as_reached, host_configs, known_hosts, ssh_config};
use super::past::Past;
use super::practice;
use super::start::{fetch_secrets, keep_secrets, with_own_paths};

/// Takes a run up and walks it on.
pub(super) async fn resume(
    console: &mut Console,
    args: &ResumeArgs,
) -> Result<Conclusion, Failure> {
    let folder = match args.run.as_deref() {
        Some(asked) => console.store.find(asked)?,
        None => the_unfinished_one(console)?,
    };
    let past = Past::read(free(folder)?)?.whole()?;
    let state = past.state();
    // A run that ended and could not give its locks back is taken up for that alone.
    if state.finished.is_some() && state.locks().is_empty() {
        let exit = verdict(&past.report());
        let run = &past.folder.id;
        let see = as_typed(&past.folder, &format!("`lifeboat report {run}`"));
        let line = format!("run {run} is finished; see {see}");
        return Ok(Conclusion {
            exit,
            lines: vec![line],
        });
    }
    refuse_aborted(&past)?;
    let mut home = Vec::new();
    if let Some(opened) = state.chapter().filter(|opened| opened.ended.is_none()) {
        let run = &past.folder.id;
        let failbacks = failbacks(&console.store, &past.folder.id)?;
        home = home_of(opened.chapter, &past, &failbacks);
        let state = past.state_at(&home);
        if let Opening::Refused(why, next) = opening(opened.chapter, run, &state) {
            return Err(refused(opened.chapter, &past.folder, why, &next));
        }
    }
    let (past, corrected) = correct(console, past, args).await?;
    let mut up = take_over(console, &past, args.take_over).await?;
    up.corrected = corrected;
    up.home = home;
    go_on(console, past, up).await
}

/// Walks a run on from where its journal ends.
pub(super) async fn go_on(
    console: &mut Console,
    past: Past,
    up: Resumption,
) -> Result<Conclusion, Failure> {
    let answers = match &console.act.answers {
        Some(path) => answers::read(path, &past.loaded.runbook)?,
        None => Answers::default(),
    };
    if past.info.mode == Some(Mode::Practice) {
        let folder = past.folder.clone();
        let (stage, runbook) = practice::take_up(&folder, &past.loaded.runbook).await?;
        let configs = host_configs(&runbook, &BTreeMap::new(), &[], &SshConfig::none())?;
        let handle = take_up(console, past, up, runbook, configs, BTreeMap::new())?;
        return stage.walk(console, handle, answers).await;
    }
    let mut secrets = fetch_secrets(console, &answers)?;
    if !console.act.headless {
        let typed = forms::secrets(
            console,
            "Before the run goes on",
            &past.loaded.runbook,
            &secrets,
        )
        .await?;
        secrets.extend(keep_secrets(console, typed));
    }
    let runbook = &past.loaded.runbook;
    let configs = host_configs(runbook, &secrets, &known_hosts(), &ssh_config())?;
    let runbook = with_own_paths(runbook, &past.info.runbook_path);
    let runbook = as_reached(runbook, &configs);
    let folder = past.folder.clone();
    let handle = take_up(console, past, up, runbook, configs, secrets)?;
    console.walk(&folder, handle, answers, false).await
}

/// A run that no other console has open.
pub(super) fn free(folder: RunFolder) -> Result<RunFolder, Failure> {
    match journal::held_by(&folder.path)? {
        None => Ok(folder),
        Some(holder) => Err(JournalError::Held {
            path: folder.journal(),
            holder,
        }
        .into()),
    }
}

fn take_up(
    console: &Console,
    past: Past,
    up: Resumption,
    runbook: Runbook,
    configs: Vec<HostConfig>,
    secrets: BTreeMap<VariableName, Secret>,
) -> Result<RunHandle, Failure> {
    let mode = past.info.mode.unwrap_or(Mode::Failover);
    let settings = console.engine_settings(&runbook);
    let launch = Launch {
        run: past.folder.id.clone(),
        dir: past.folder.path.clone(),
        mode,
        runbook: Arc::new(runbook),
        parent: parent_of(console, &past),
        plan: Arc::new(past.plan),
        hosts: Hosts::new(configs, Policy::for_mode(mode), console.redactor.clone())
            .with_secrets(secrets),
        settings,
        clock: Clock::system(),
        begun: Begun::default(),
    };
    runner::resume(launch, up).map_err(|fault| Failure::of(Exit::Refused, &fault))
}

/// The state of the run that a failback takes back. If it is gone the way home still goes on: what
/// it would have told is then not put back, which its steps say.
fn parent_of(console: &Console, past: &Past) -> Option<Arc<RunState>> {
    let parent = past.info.parent.as_ref()?;
    let read = console
        .store
        .find(parent.run.as_str())
        .map_err(Failure::from)
        .and_then(Past::read);
    match read {
        Ok(found) if found.journal.line_with_hash(&parent.head).is_some() => {
            Some(Arc::new(found.state()))
        }
        Ok(_) => {
            tracing::warn!(run = %parent.run, "the run that is taken back was changed since; it is not used");
            None
        }
        Err(failure) => {
            tracing::warn!(run = %parent.run, why = %failure.text, "the run that is taken back cannot be read");
            None
        }
    }
}

fn the_unfinished_one(console: &Console) -> Result<RunFolder, Failure> {
    let runs = console.store.unfinished()?;
    match &runs[..] {
        [only] => Ok(only.folder.clone()),
        [] => Err(Failure::invalid(
            "there is no unfinished run",
            console.store.runs().display().to_string(),
            "start one, or give the right --state folder",
        )),
        several => {
            let mut list = Vec::new();
            let _ = super::runs::print(
                several,
                Timestamp::now(),
                super::runs::Layout::Columns,
                &mut list,
            );
            let fault = Fault::new(
                format!("there are {} unfinished runs", several.len()),
                console.store.runs().display().to_string(),
                "nothing was started",
                "name one: `lifeboat resume RUN`",
            );
            let mut text = format!("error: {fault}\n").into_bytes();
            let _ = text.write_all(&list);
            Err(Failure::new(
                Exit::Invalid,
                String::from_utf8_lossy(&text).trim_end(),
            ))
        }
    }
}
