//! What the commands take that start a run, go on with one, or end one.

use std::path::PathBuf;

use clap::Args;

use crate::cli::variables::parse_pair;
use crate::names::RunId;

/// What every command that acts takes.
#[derive(Args, Clone, Debug, Default)]
pub struct ActArgs {
    /// Plain lines instead of a terminal; never waits for a person
    #[arg(long)]
    pub headless: bool,
    /// Accept steps of risk read and write (in practice: everything)
    #[arg(long, requires = "headless")]
    pub yes: bool,
    /// Answers made before; at a terminal only variables, secrets, and proposals for a drill
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Who works at the console [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
}

/// What every command that starts a run takes.
#[derive(Args, Clone, Debug, Default)]
pub struct StartArgs {
    #[command(flatten)]
    pub act: ActArgs,
    /// A value for a variable of the runbook; not for secrets (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
    /// Only these VMs; the others' steps are not in the run
    #[arg(long, value_name = "VM,…", value_delimiter = ',')]
    pub only: Vec<String>,
}

/// What resume takes.
#[derive(Args, Clone, Debug, Default)]
pub struct ResumeArgs {
    /// The run (its id, or the beginning of it)
    pub run: Option<String>,
    /// Go on with this corrected runbook
    #[arg(long, value_name = "FILE")]
    pub runbook: Option<PathBuf>,
    /// Why the runbook is corrected; asked at a terminal
    #[arg(long, value_name = "TEXT", requires = "runbook")]
    pub reason: Option<String>,
    /// A value for a variable that the corrected runbook brings (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "runbook")]
    pub set: Vec<(String, String)>,
    /// Take the run over from whoever offers to hand it over, as --operator; asked at a terminal
    #[arg(long)]
    pub take_over: bool,
    #[command(flatten)]
    pub act: ActArgs,
}

/// What the commands take that end a run.
#[derive(Args, Debug, Default)]
pub struct EndArgs {
    /// The run (its id, or the beginning of it)
    pub run: String,
    /// Leave what was begun of it: only as long as nothing of it was done
    #[arg(long)]
    pub leave: bool,
    /// Why an ending that was begun is left, a drill's disks are kept, or deleted while an unfinished run
    /// restores from them, or a run is ended although a failback's journal is damaged; asked at a terminal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Take the run over from the one who offers to hand it over
    #[arg(long)]
    pub take_over: bool,
    #[command(flatten)]
    pub act: ActArgs,
}

impl EndArgs {
    /// What `lifeboat commit RUN`, or another of these, takes.
    #[must_use]
    pub fn of(run: &RunId) -> Self {
        Self {
            run: run.to_string(),
            ..Self::default()
        }
    }
}
