//! What the commands take that look and decide nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::variables::parse_pair;
use crate::report::Format;
use crate::runbook::{model::Mode, parse_duration};

/// What check takes.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The runbook; with --failback also a run (its id, or the beginning of it)
    pub runbook: PathBuf,
    /// Look at the way home instead
    #[arg(long)]
    pub failback: bool,
    /// Look at it as a planned run would walk it: the protected site is alive
    #[arg(long, conflicts_with = "failback")]
    pub planned: bool,
    /// Look again every so often, 5m if not said, and print only what changed
    #[arg(long, value_name = "EVERY", num_args = 0..=1, default_missing_value = "5m", value_parser = parse_every)]
    pub watch: Option<Duration>,
    /// One JSON object a line instead of words; asks for nothing
    #[arg(long)]
    pub json: bool,
    /// Only these VMs
    #[arg(long, value_name = "VM,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// A value for a variable of the runbook; not for secrets (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
    /// An answers file: its variables and secrets are used
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

/// What watch takes.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// The run (its id, or the beginning of it)
    pub run: String,
    /// Plain lines instead of a terminal, as they come
    #[arg(long)]
    pub headless: bool,
    /// Look at the run's hosts too, until it is committed, rolled back or taken home
    #[arg(long)]
    pub hosts: bool,
    /// One JSON object a line instead of words; asks for nothing
    #[arg(long, requires = "hosts")]
    pub json: bool,
    /// An answers file: its secrets are used
    #[arg(long, value_name = "FILE", requires = "hosts")]
    pub answers: Option<PathBuf>,
    /// Who watches, as the run's journal names them [default: the login name]
    #[arg(long, value_name = "NAME", requires = "hosts")]
    pub operator: Option<String>,
}

/// What the paper plan takes.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The runbook
    pub runbook: PathBuf,
    /// Which way it is walked
    #[arg(long, value_enum, default_value_t)]
    pub mode: PlanMode,
    /// A value for a variable of the runbook (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
    /// Only these VMs
    #[arg(long, value_name = "VM,…", value_delimiter = ',')]
    pub only: Vec<String>,
}

/// Which way a plan is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanMode {
    /// To the recovery site, which has to do without the protected one
    #[default]
    Failover,
    /// To the recovery site while the protected one is alive
    Planned,
    /// Beside production, cut off from it
    Drill,
    /// Home
    Failback,
    /// Both, one after the other
    Practice,
}

impl PlanMode {
    /// The mode of the run.
    #[must_use]
    pub fn mode(self) -> Mode {
        match self {
            Self::Failover => Mode::Failover,
            Self::Planned => Mode::Planned,
            Self::Drill => Mode::Drill,
            Self::Failback => Mode::Failback,
            Self::Practice => Mode::Practice,
        }
    }
}

/// What report takes.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The run (its id, or the beginning of it)
    pub run: String,
    /// One is printed; several, with commas between, are written into the run's folder
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        value_delimiter = ',',
        default_value = "md"
    )]
    pub format: Vec<ReportFormat>,
}

/// In which way a report is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Markdown, for reading as it is and for tickets
    Md,
    /// One file for a browser and for paper
    Html,
    /// For other programs
    Json,
}

impl From<ReportFormat> for Format {
    fn from(format: ReportFormat) -> Self {
        match format {
            ReportFormat::Md => Self::Markdown,
            ReportFormat::Html => Self::Html,
            ReportFormat::Json => Self::Json,
        }
    }
}

/// Hosts are people's production: nobody asks them all the time.
const MOST_OFTEN: Duration = Duration::from_secs(10);

fn parse_every(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(every) if every >= MOST_OFTEN => Ok(every),
        Ok(_) => Err("say 10s at least".to_owned()),
        Err(why) => Err(why),
    }
}
