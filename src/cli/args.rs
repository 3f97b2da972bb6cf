//! What can be typed. Help texts are written for somebody who is tired.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::report::Format;
use crate::runbook::{model::Mode, parse_duration, parse_size};

use super::variables::parse_pair;

const EXAMPLES: &str = "\
Examples:
  lifeboat practice                      learn it on a simulated site; nothing real is touched
  lifeboat validate my-runbook.yaml      is the file right?
  lifeboat check my-runbook.yaml         are the hosts and backups ready for it?
  lifeboat plan my-runbook.yaml          every step and command, to read or print
  lifeboat drill my-runbook.yaml         try it beside production, in isolation
  lifeboat run my-runbook.yaml           fail over, one confirmed step at a time
  lifeboat resume                        go on after the console was left, crashed or was killed
  lifeboat failback 20260102-030405-k7qd go home again

Exit status: 0 finished, nothing found; 1 finished with failed or skipped steps, findings, or a
journal that does not verify; 2 usage, invalid file, unknown run; 3 refused by a safety rule, or the
run is held elsewhere; 4 can be resumed: a signal, or an answer is missing.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "lifeboat",
    version,
    about = "Walks you through restoring virtual machines at a recovery site, and back, over SSH",
    long_about = "Walks you through restoring virtual machines at a recovery site, and back, over SSH.\n\n\
        Without a command it shows what there is: unfinished runs, runbooks, practice.",
    after_help = EXAMPLES
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
    #[command(after_help = "\
Examples:
  lifeboat practice
  lifeboat practice my-runbook.yaml --speed 10
  lifeboat practice --headless --yes --speed 20 --scale 16MiB")]
    Practice(PracticeArgs),
    /// Drill a failover beside production, in isolation; the protected site is left alone
    #[command(after_help = "\
The VMs are restored under names of their own (drill-RUN-VM), and joined to port groups on a virtual
switch without uplinks (drill-RUN). That nothing leads out of it is proven on the host before each VM
starts; in a drill `fence` is that proof. Nothing is changed at the protected site, and only a step
of the runbook that looks there asks it anything.

The abort criterion, the time limit and who holds the abort key are asked first, or stand in the
answers file: `drill: { abort: any alarm, limit: 4h, abort_key: bob }`.

A drill's copies never go live, but a live restore can start from their disks. In an emergency it is
`lifeboat cleanup RUN --keep-disks`, then `lifeboat run RUNBOOK --from-drill RUN`: only what differs from
the restore point is sent. Any `lifeboat run` tells first what an open drill holds: VMs that are on, space,
memory.

Examples:
  lifeboat drill my-runbook.yaml
  lifeboat drill my-runbook.yaml --headless --yes --answers answers.yaml")]
    Drill {
        /// The runbook
        runbook: PathBuf,
        #[command(flatten)]
        start: StartArgs,
    },
    /// Fail over: bring the VMs up at the recovery site
    #[command(after_help = "\
Every command is shown before it is sent. Leaving (q) or a crash costs nothing: `lifeboat resume`.

With --planned the protected site is alive: its VMs are shut down in reverse order, copied once more
after that, and started at the recovery site. Nothing is lost; RTO counts from the first stop.

Before the first step the hosts are looked at, as `lifeboat check` does. What was found is shown and
confirmed, a blocker with a reason; with --headless it is printed and the run starts, since each step
looks again before it acts. Either way the journal keeps it.

A prompt can be answered with no (d, and a reason): the step fails, and you choose the way on. In an
answers file: `STEP-ID: { by: alice, decline: the owner is against it }`. Where two people confirm,
`second` is another one than `by`, and answers a challenge with `response`. What a VM asks and Lifeboat
does not know waits for you; `STEP-ID: { answer: { \"Cannot open the disk\": Cancel } }` is your answer: a
part of its text, and one of its labels. Where it is missing the line to write is printed.

With --from-drill it is a failover like any other: fences, ownership and sums are the same, and the
restore point is chosen as always. Only `restore` is faster: where the drill left a disk on the same
datastore (`lifeboat cleanup DRILL --keep-disks`), the host clones it, and only what differs from the
restore point is sent; the whole is proven by its sum. The drill's disks are only read. One that does not
fit is named, and its file comes whole.

Examples:
  lifeboat run my-runbook.yaml
  lifeboat run my-runbook.yaml --planned
  lifeboat run my-runbook.yaml --from-drill 20260102-030405-k7qd
  lifeboat run my-runbook.yaml --only sql01,web01
  lifeboat run my-runbook.yaml --headless --yes --answers answers.yaml")]
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
    #[command(after_help = "\
With a run, its frozen runbook is walked back and its variables are taken over. With a runbook, the
newest finished failover of that runbook is taken back, if there is one.

VMs that the run did not move stay out, with the reason. A VM that it moved and that no step of
`failback` is about gets steps of its own: shut down, copied back, started, taken out of the inventory;
one whose home is a physical server is led through its restore, with evidence asked at each step.

Before the first step the hosts are looked at, as `lifeboat check --failback` does, and what was found is
treated as by `lifeboat run`.")]
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
    #[command(after_help = "\
Without RUN it takes the one unfinished run. Failed steps are tried once more; what is done is not
done again.

A corrected runbook may change steps that have not begun and add new ones. What is done, and what
has sent something to a host, must keep its meaning: take it back first, or leave it out and add a
step. The difference is shown and a reason asked. The corrected file is kept in the run's folder.

Examples:
  lifeboat resume
  lifeboat resume 20260102-030405-k7qd --runbook corrected.yaml --reason 'wrong datastore for web01'
  lifeboat resume 20260102-030405-k7qd --take-over --operator bob")]
    Resume(ResumeArgs),
    /// End a run: what it did stays, and the files of before it that it kept are deleted
    #[command(after_help = "\
It shows every file and asks once. After that there is no rollback. `commit: { within: 24h }` in the
runbook gives this decision a clock; when it is over nothing happens by itself.

A commit that was begun, and of which nothing was done yet, can be left with a reason: the run then
waits for its decision as before, and the journal tells who left it.

Examples:
  lifeboat commit 20260102-030405-k7qd
  lifeboat commit 20260102-030405-k7qd --leave --reason 'the owner of sql01 is against it'
  lifeboat commit 20260102-030405-k7qd --headless --yes")]
    Commit(EndArgs),
    /// End a run: take back what it did, step by step, also from half-way
    #[command(after_help = "\
From the run's journal it makes the steps that undo it: VMs that the run started are stopped, what it
registered is unregistered, files of before it get their names back, VMs that it stopped are started
again once no other copy runs, and the files that it brought are removed, each by its name. What the
run did not make is left alone. Where a VM has run from files that are to be removed, its name has to
be typed: what it wrote may be nowhere else; skip that step, with a reason, to keep them.

Refused after a commit, and once a failback has begun to move the VMs home. A commit that was begun and
of which nothing was done is left for it: a reason is asked (--reason). It can be gone on with like any
run, and left as long as nothing of it was done (--leave). Exit status 1: something is left; `lifeboat
cleanup RUN` tries that again.")]
    Rollback(EndArgs),
    /// End a run: try again what a rollback left; after a drill, remove everything that it made
    #[command(after_help = "\
It lists everything that stands as the run left it and asks once, then takes each thing back or removes
it by its name, looks whether it is gone, and says what is left (exit status 1). Files that a VM has run
from outside a drill still ask for its name. On a run that is cleaned it does nothing.

A drill is closed by what was learnt: once nothing is left, it asks for findings, each with who mends it
by which date, or for the statement that there are none. Without a terminal they stand in the answers
file; as long as they are missing the exit status is 1, and the same command asks for nothing else.

With --keep-disks a drill is cleaned up for an emergency: its VMs are stopped and unregistered, networks
and everything else go as always, but the folders with its disks stay, and the journal keeps why. Nobody
is asked for findings yet. `lifeboat run RUNBOOK --from-drill RUN` then sends only what differs from them.
They are there until `lifeboat cleanup RUN` without --keep-disks deletes them.

Examples:
  lifeboat cleanup 20260102-030405-k7qd
  lifeboat cleanup 20260102-030405-k7qd --keep-disks --reason 'London is dark'
  lifeboat cleanup 20260102-030405-k7qd --headless --yes --answers answers.yaml

  # answers.yaml
  drill: { findings: none }
  drill: { findings: [{ text: the restore was slow, owner: ann, due: 2026-02-01 }] }")]
    Cleanup {
        /// Keep a drill's disks: `lifeboat run RUNBOOK --from-drill RUN` starts from them
        #[arg(long, conflicts_with = "leave")]
        keep_disks: bool,
        #[command(flatten)]
        end: EndArgs,
    },
    /// Look at a run while another console drives it, or after it; decides nothing
    #[command(after_help = "\
It reads the run's journal as it grows: no host is asked, no key decides. q stops watching; it ends
by itself when the run does. Any number of consoles may watch. The status is the run's as it stands.

With --hosts it looks at the hosts of both sites too, with commands that only look, from the end of
the steps until somebody commits the run, rolls it back or takes its VMs home. It prints plain lines,
and rings at a terminal when a VM of the run runs at both sites (recovery required, with the ways out),
a host that was silent answers again (and what runs there, or that it lets nobody look), a VM that the
run started is not on any more or runs at the site that it left, or a host cannot be reached. It never
stops or starts anything. Where the run's steps are over and no console has it open, what it sees of a
VM that runs twice, and of a host that is back, is added to the run's journal, so that the report says
it and commit waits; everything else is only printed.

Exit status with --hosts: 0 nothing is wrong as last seen; 1 something is; 2 usage, unknown run, a
missing password; 3 there is nothing to watch (a practice, a drill, a run that was ended); 4 a signal
before the first look.

Examples:
  lifeboat watch 20260102-030405-k7qd
  lifeboat watch 20260102-030405-k7qd --hosts
  lifeboat watch 20260102-030405-k7qd --hosts --json --answers answers.yaml")]
    Watch(WatchArgs),
    /// Print how a run stands, in 20 lines at most: what an incoming person has to know
    #[command(after_help = "\
What is done and when, what runs and until when, what comes next, what stands on somebody's word,
what was decided. It is read from the run's journal; no host is asked. At a terminal: o.")]
    Brief {
        /// The run (its id, or the beginning of it)
        run: String,
    },
    /// Ask the live sites whether a runbook is ready, before the disaster; changes nothing
    #[command(after_help = "\
Every host is asked at the same time, with commands that only look: login and host key, release,
clock, licence, maintenance mode, vCenter; datastores and the room for everything that lands there;
port groups and uplinks; the restore points of each VM that `restore` brings, or whose files
`restore_files` brings, their age beside the RPO, sums and chains; whether its .vmx fits; whether a VM
that no step brings stands ready, and on where no step starts it; names, MACs and UUIDs that are there
twice; what earlier runs have left; when it was last drilled. The data of disks is not read: a restore
proves it.

With --failback the way home is looked at: of the run, or of the newest failover of the runbook. Where
each VM is that goes home, and whether it runs at home too; the protected site's hosts, datastores with
room for what comes beside the originals, memory, port groups, names, MACs and UUIDs.

Severities: a blocker keeps a VM from coming up, a warning makes it worse than it should be, a note
is worth knowing. With --watch it looks again and again and prints only what changed.

Exit status: 0 ready (notes at most); 1 warnings or blockers; 2 usage, invalid file, a missing
password; 3 with --failback, a run that cannot go home; 4 a signal before the first look was done.
With --watch that of the last look.

Examples:
  lifeboat check my-runbook.yaml
  lifeboat check my-runbook.yaml --watch 30m
  lifeboat check 20260102-030405-k7qd --failback
  lifeboat check my-runbook.yaml --json --answers answers.yaml")]
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
    #[command(after_help = "\
Below the list stands the RTO of the newest finished runs of each runbook and mode, oldest first, with
the part of the objective that was used, and for each runbook that says `drill: { every: 90d }` when its
next drill is due. A runbook counts as it lies in its newest run.")]
    Runs,
    /// Check that a run's journal was not changed, nor the files that its report names
    #[command(after_help = "\
The journal's chain of hashes is checked line by line, its head against the report and the runs that take
this one back, and the other files of the folder against their sums in report.json. A folder that was
passed on is checked by its journal: lifeboat verify FOLDER/journal.jsonl")]
    Verify {
        /// The run (its id, or the beginning of it), or a journal file
        run: String,
    },
    /// Print the report of a run: Markdown, one HTML file, or JSON
    #[command(after_help = "\
It sets objectives against what was reached and puts first whatever was vouched for instead of proven;
then deviations, overrides, findings, the timeline, every decision and every command, and the head hash.
The run's folder holds it in all three formats as report.md, report.html and report.json, written
whenever the console leaves the run. No host is asked.

Examples:
  lifeboat report 20260102-030405-k7qd
  lifeboat report 20260102-030405-k7qd --format html > report.html
  lifeboat report 20260102-030405-k7qd --format md,html,json     writes them into the run's folder anew")]
    Report(ReportArgs),
    /// Serve the simulated site of a runbook until Ctrl-C
    #[command(after_help = "\
Example:
  lifeboat sim my-runbook.yaml --emit site.yaml     and in another terminal:
  lifeboat run site.yaml")]
    Sim(SimArgs),
    /// Print the JSON Schema of a runbook, with which an editor completes and checks one
    #[command(after_help = "\
Example:
  lifeboat schema > lifeboat.schema.json             and as the first line of the runbook:
  # yaml-language-server: $schema=lifeboat.schema.json

A schema knows keys and kinds; names that do not fit and unsafe orders are found by `lifeboat validate`.")]
    Schema,
    /// Print a script that completes commands and options in a shell
    #[command(after_help = "\
Examples:
  lifeboat completions bash > ~/.local/share/bash-completion/completions/lifeboat
  lifeboat completions zsh > ~/.zfunc/_lifeboat          (a folder of your fpath)
  lifeboat completions fish > ~/.config/fish/completions/lifeboat.fish")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a manual page: of the program, or of one of its commands
    #[command(after_help = "\
Examples:
  lifeboat man | man -l -
  lifeboat man run > ~/.local/share/man/man1/lifeboat-run.1")]
    Man {
        /// The command [default: the program's own page]
        command: Option<String>,
    },
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

/// What check takes.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The runbook; with --failback also a run (its id, or the beginning of it)
    pub runbook: PathBuf,
    /// Look at the way home instead
    #[arg(long)]
    pub failback: bool,
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

/// 64 MiB: large enough to watch, small enough to wait for.
const DEFAULT_SCALE: u64 = 64 << 20;

/// What the simulated site takes.
#[derive(Args, Clone, Copy, Debug)]
pub struct SiteArgs {
    /// Makes the site's details; the same seed gives the same site
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than life its machines are
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = parse_speed)]
    pub speed: f64,
    /// Bytes of each disk, such as 16MiB
    #[arg(long, default_value = "64MiB", value_name = "SIZE", value_parser = parse_scale)]
    pub scale: u64,
}

/// What practice takes.
#[derive(Args, Debug)]
pub struct PracticeArgs {
    /// The runbook [default: the bundled one]
    pub runbook: Option<PathBuf>,
    /// What happens to the protected site
    #[arg(long, value_enum, default_value_t)]
    pub scenario: Scenario,
    #[command(flatten)]
    pub site: SiteArgs,
    #[command(flatten)]
    pub start: StartArgs,
}

impl PracticeArgs {
    /// The practice that `lifeboat practice RUNBOOK` starts.
    #[must_use]
    pub fn of(runbook: Option<PathBuf>) -> Self {
        let site = SiteArgs {
            seed: 1,
            speed: 1.0,
            scale: DEFAULT_SCALE,
        };
        Self {
            runbook,
            scenario: Scenario::default(),
            site,
            start: StartArgs::default(),
        }
    }
}

/// What happens to the protected site in a practice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// It goes dark before the first step, and is back, its VMs off, before the way home
    #[default]
    Dark,
    /// It answers all the time and its VMs run: the fence has to stop them
    Alive,
}

/// What the commands take that end a run.
#[derive(Args, Debug, Default)]
pub struct EndArgs {
    /// The run (its id, or the beginning of it)
    pub run: String,
    /// Leave what was begun of it: only as long as nothing of it was done
    #[arg(long)]
    pub leave: bool,
    /// Why an ending that was begun is left, or a drill's disks are kept; asked at a terminal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Take the run over from the one who offers to hand it over
    #[arg(long)]
    pub take_over: bool,
    #[command(flatten)]
    pub act: ActArgs,
}

/// What the simulated site alone takes.
#[derive(Args, Debug)]
pub struct SimArgs {
    /// The runbook whose hosts are imitated
    pub runbook: PathBuf,
    /// Write a runbook with the site's addresses, keys and logins, for `lifeboat run`
    #[arg(long, value_name = "FILE")]
    pub emit: Option<PathBuf>,
    #[command(flatten)]
    pub site: SiteArgs,
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

/// Hosts are people's production: nobody asks them all the time.
const MOST_OFTEN: Duration = Duration::from_secs(10);

fn parse_every(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(every) if every >= MOST_OFTEN => Ok(every),
        Ok(_) => Err("say 10s at least".to_owned()),
        Err(why) => Err(why),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("say a number from 0.1 to 1000".to_owned()),
    }
}

fn parse_scale(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (64 << 10..=1 << 40).contains(&size) {
        Ok(size)
    } else {
        Err("say a size from 64KiB to 1TiB".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("lifeboat").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_where_people_put_them() {
        let cli = parse(
            "run r.yaml --only sql01,web01 --set ticket=INC000001 --headless --yes --state /s",
        )
        .unwrap();
        assert_eq!(cli.state, Some(PathBuf::from("/s")));
        let Some(Command::Run {
            runbook,
            planned: false,
            from_drill: None,
            no_check: false,
            start,
        }) = cli.command
        else {
            panic!("not run")
        };
        assert_eq!(runbook, PathBuf::from("r.yaml"));
        assert_eq!(start.only, ["sql01", "web01"]);
        assert_eq!(start.set, [("ticket".to_owned(), "INC000001".to_owned())]);
        assert!(start.act.headless && start.act.yes);
        let planned = parse("run r.yaml --planned").unwrap().command;
        assert!(matches!(planned, Some(Command::Run { planned: true, .. })));
        assert!(parse("--state /s runs").unwrap().state.is_some());
        assert!(parse("").unwrap().command.is_none());
    }

    #[test]
    fn practice_has_sizes_and_speeds() {
        let cli = parse("practice --speed 20 --scale 16MiB --scenario alive").unwrap();
        let Some(Command::Practice(practice)) = cli.command else {
            panic!("not practice")
        };
        assert_eq!(
            (practice.site.scale, practice.scenario),
            (16 << 20, Scenario::Alive)
        );
        assert!(practice.runbook.is_none());
        let Some(Command::Practice(plain)) = parse("practice").unwrap().command else {
            panic!("not practice")
        };
        let at_home = PracticeArgs::of(None);
        assert_eq!(
            format!("{plain:?}"),
            format!("{at_home:?}"),
            "both ways in start the same practice"
        );
        for wrong in [
            "practice --speed fast",
            "practice --speed 0",
            "practice --scale -1",
            "practice --scale 7",
            "practice --scenario flood",
        ] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_status_2() {
        for wrong in [
            "no-such-command",
            "run",
            "run r.yaml --yes",
            "validate",
            "check",
            "check r.yaml --watch 3s",
            "check r.yaml --watch soon",
            "run r.yaml --set x",
            "plan r.yaml --mode flood",
            "drill",
        ] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert_eq!(parse("--help").unwrap_err().exit_code(), 0);
        assert_eq!(parse("--version").unwrap_err().exit_code(), 0);
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let more = command.get_after_help().map(ToString::to_string);
            let mut lines = more.iter().flat_map(|text| text.lines());
            let wide = lines.find(|line| line.chars().count() > 108);
            assert_eq!(wide, None, "nothing breaks it: {}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
