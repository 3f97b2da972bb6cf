//! What can be typed. Help texts are written for somebody who is tired.

mod acting;
mod help;
mod looking;
mod practice;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use acting::{ActArgs, EndArgs, ResumeArgs, StartArgs};
pub use looking::{CheckArgs, PlanArgs, PlanMode, ReportArgs, WatchArgs};
pub use practice::{PracticeArgs, Scenario, SimArgs, SiteArgs};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "lifeboat",
    version,
    about = "Walks you through restoring virtual machines at a recovery site, and back, over SSH",
    long_about = "Walks you through restoring virtual machines at a recovery site, and back, over SSH.\n\n\
        Without a command it shows what there is: unfinished runs, runbooks, practice.",
    after_help = help::PROGRAM
)]
pub struct Cli {
    /// Where runs and logs are kept [default: $LIFEBOAT_STATE, else the XDG state folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// What to do; without one, the home screen.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rehearse a failover and the way back on a simulated site; nothing real is touched
    #[command(after_help = help::PRACTICE)]
    Practice(PracticeArgs),
    /// Drill a failover beside production, in isolation; the protected site is left alone
    #[command(after_help = help::DRILL)]
    Drill {
        /// The runbook
        runbook: PathBuf,
        #[command(flatten)]
        start: StartArgs,
    },
    /// Fail over: bring the VMs up at the recovery site
    #[command(after_help = help::RUN)]
    Run {
        /// The runbook
        runbook: PathBuf,
        /// Move them while the protected site is alive: shut down in order, final copy, nothing lost
        #[arg(long)]
        planned: bool,
        /// Make the disks from those that this drill's cleanup kept: only what differs is sent
        #[arg(long, value_name = "DRILL", conflicts_with = "planned")]
        from_drill: Option<String>,
        /// Start without looking at the hosts first
        #[arg(long)]
        no_check: bool,
        #[command(flatten)]
        start: StartArgs,
    },
    /// Go home: bring the VMs back to the protected site
    #[command(after_help = help::FAILBACK)]
    Failback {
        /// The run to take back (its id, or the beginning of it), or a runbook
        #[arg(value_name = "RUN-or-RUNBOOK", value_hint = ValueHint::FilePath)]
        what: String,
        /// Start without looking at the hosts first
        #[arg(long)]
        no_check: bool,
        #[command(flatten)]
        start: StartArgs,
    },
    /// Go on with a run where it was left
    #[command(after_help = help::RESUME)]
    Resume(ResumeArgs),
    /// End a run: what it did stays, and the files of before it that it kept are deleted
    #[command(after_help = help::COMMIT)]
    Commit(EndArgs),
    /// End a run: take back what it did, step by step, also from half-way
    #[command(after_help = help::ROLLBACK)]
    Rollback(EndArgs),
    /// End a run: try again what a rollback left; after a drill, remove everything that it made
    #[command(after_help = help::CLEANUP)]
    Cleanup {
        /// Keep a drill's disks: `lifeboat run RUNBOOK --from-drill RUN` starts from them
        #[arg(long, conflicts_with = "leave")]
        keep_disks: bool,
        #[command(flatten)]
        end: EndArgs,
    },
    /// Look at a run while another console drives it, or after it; decides nothing
    #[command(after_help = help::WATCH)]
    Watch(WatchArgs),
    /// Print how a run stands, in 20 lines at most: what an incoming person has to know
    #[command(after_help = help::BRIEF)]
    Brief {
        /// The run (its id, or the beginning of it)
        run: String,
    },
    /// Ask the live sites whether a runbook is ready, before the disaster; changes nothing
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Check runbook files, without any network
    Validate {
        /// The files
        #[arg(required = true)]
        runbooks: Vec<PathBuf>,
    },
    /// Print every step and command of a runbook as Markdown, without asking any host
    Plan(PlanArgs),
    /// List the runs; how their RTO went from run to run, and which drills are due
    #[command(after_help = help::RUNS)]
    Runs,
    /// Check that a run's journal was not changed, nor the files that its report names
    #[command(after_help = help::VERIFY)]
    Verify {
        /// The run (its id, or the beginning of it), or a journal file
        run: String,
    },
    /// Print the report of a run: Markdown, one HTML file, or JSON
    #[command(after_help = help::REPORT)]
    Report(ReportArgs),
    /// Serve the simulated site of a runbook until Ctrl-C
    #[command(after_help = help::SIM)]
    Sim(SimArgs),
    /// Print the JSON Schema of a runbook, with which an editor completes and checks one
    #[command(after_help = help::SCHEMA)]
    Schema,
    /// Print a script that completes commands and options in a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a manual page: of the program, or of one of its commands
    #[command(after_help = help::MAN)]
    Man {
        /// The command [default: the program's own page]
        command: Option<String>,
    },
}
