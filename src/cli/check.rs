//! `lifeboat check`: is a runbook ready, before the disaster, or the way home? It asks every host and backup of the
//! live sites, sends nothing but reads, and writes nothing but its log.

mod json;
mod lines;

pub(super) use lines::{put, verdict};

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::host::Hosts;
use crate::journal::RunSummary;
use crate::names::{HostName, VmName};
use crate::plan::{self, Plan, PlanInputs, Version};
use crate::readiness::{
    Change, Finding, OpenDrill, Rehearsal, Task, Unfinished, carry_over, changes, is_ready, judge,
    look,
};
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Runbook, Section};
use crate::settings::elsewhere;

use super::answers::{self, Answers};
use super::args::{ActArgs, CheckArgs};
use super::console::Console;
use super::drill::as_walked;
use super::exit::{Exit, Failure};
use super::failback::{WayHome, way_home};
use super::load::load_runbook;
use super::logins::readers;
use super::past::{self, Past, make_plan};
use super::runs::{Row, drills_of};
use super::start::{check_planned, check_selection};
use super::variables::{Sources, gather};

/// Differences to the drilled runbook that are named.
const NAMED: usize = 4;

/// Opens a console for it: secrets are asked where there is a terminal, and nothing else ever is.
pub(super) fn open(state: Option<PathBuf>, args: &CheckArgs) -> Result<Console, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let act = ActArgs {
        headless: args.json || !terminal,
        answers: args.answers.clone(),
        ..ActArgs::default()
    };
    Console::open(state, act)
}

/// Looks once, or again and again until a signal comes.
pub(super) async fn check(console: &mut Console, args: &CheckArgs) -> Result<Exit, Failure> {
    let way = way(console, args)?;
    let (task, hosts) = prepare(console, args, &way).await?;
    let printer = Printer {
        json: args.json,
        colour: super::is_coloured(&std::io::stdout()),
        rings: std::io::stdout().is_terminal(),
    };
    let exit = rounds(&task, &hosts, &way.loaded.sha256, args.watch, &printer).await;
    hosts.close().await;
    exit
}

/// What is looked at: a runbook for a failover or a planned run, or the way home.
fn way(console: &Console, args: &CheckArgs) -> Result<WayHome, Failure> {
    let only = args.only.clone();
    if args.failback {
        return way_home(console, &args.runbook.to_string_lossy(), only);
    }
    Ok(WayHome {
        loaded: load_runbook(&args.runbook)?,
        path: Some(args.runbook.clone()),
        before: None,
        only,
    })
}

/// The task, and the sessions for it.
async fn prepare(
    console: &mut Console,
    args: &CheckArgs,
    way: &WayHome,
) -> Result<(Task, Hosts), Failure> {
    let loaded = &way.loaded;
    let runbook = &loaded.runbook;
    let answers = match &args.answers {
        Some(path) => answers::read(path, runbook)?,
        None => Answers::default(),
    };
    let only: Vec<VmName> = way.only.iter().map(|vm| vm.trim().into()).collect();
    check_selection(runbook, &only)?;
    let plan = plan_of(way, args, &answers, only)?;
    let path = way.path.clone().unwrap_or_default();
    let path = std::path::absolute(&path).unwrap_or(path);
    let (reached, hosts) = readers(console, &answers, runbook, &path).await?;
    let task = task(console, loaded, reached, &plan)?;
    Ok((task, hosts))
}

/// What is to be found ready for a plan, and what this console has done of it before.
pub(super) fn task(
    console: &Console,
    loaded: &Loaded,
    reached: Arc<Runbook>,
    plan: &Plan,
) -> Result<Task, Failure> {
    let mut task = Task::new(reached, plan);
    let runs = console.store.list()?;
    let name = &loaded.runbook.name;
    let drills = drills_of(&runs, name);
    let open = |drill: &Row<'_>| OpenDrill::of(&drill.run.folder.id, drill.state.as_ref()?);
    task.drills = drills.iter().filter_map(open).collect();
    let is_told = |run: &Unfinished| task.drills.iter().any(|drill| drill.run == run.run);
    task.unfinished = unfinished(&runs, name);
    task.unfinished.retain(|run| !is_told(run));
    task.rehearsal = rehearsal(&drills, loaded, plan);
    let first = runs.first().map(|run| elsewhere(&run.folder.path));
    task.elsewhere = first.unwrap_or_default();
    Ok(task)
}

/// The plan of a failover, of a planned run, or of the way home; a value that nobody gave has a stand-in.
fn plan_of(
    way: &WayHome,
    args: &CheckArgs,
    answers: &Answers,
    only: Vec<VmName>,
) -> Result<Plan, Failure> {
    let runbook = &way.loaded.runbook;
    let values = gather(
        runbook,
        &Sources {
            set: &args.set,
            answers,
            before: way.before.as_ref().map(|before| &before.variables),
            examples: false,
        },
    )?;
    let variables = values.with_stand_ins();
    let inputs = PlanInputs { variables, only };
    let (section, mode) = match (args.failback, args.planned) {
        (true, _) => (Section::Failback, Mode::Failback),
        (false, true) => (Section::Failover, Mode::Planned),
        (false, false) => (Section::Failover, Mode::Failover),
    };
    let plan = make_plan(runbook, &[section], mode, &inputs)?;
    if mode == Mode::Planned {
        check_planned(runbook, &plan)?;
    }
    Ok(plan)
}

/// Runs of this runbook that somebody began for real and did not end.
fn unfinished(runs: &[RunSummary], runbook: &str) -> Vec<Unfinished> {
    let of_this = runs.iter().filter(|run| run.is_unfinished());
    let told = of_this.filter_map(|run| {
        let info = run.info.as_deref()?;
        let mode = info.mode.filter(|mode| *mode != Mode::Practice)?;
        (info.runbook == runbook).then(|| Unfinished {
            run: run.folder.id.clone(),
            mode: mode.as_str().to_owned(),
            operator: info.operator.clone(),
        })
    });
    told.collect()
}

/// The newest drill of this runbook that ended well, and brought up what the plan brings up.
fn rehearsal(drills: &[Row<'_>], loaded: &Loaded, plan: &Plan) -> Option<Rehearsal> {
    let ended_well = drills.iter().filter_map(|drill| {
        let at = drill.state.as_ref()?.rehearsed()?;
        Some((at, Past::read(drill.run.folder.clone()).ok()?))
    });
    let mut fitting = ended_well.filter(|(_, past)| covers(&past.info.only, &past.plan, plan));
    let (at, past) = fitting.next()?;
    let changed = if past.loaded.sha256 == loaded.sha256 {
        Some(Vec::new())
    } else {
        differences(&past, &loaded.runbook).ok()
    };
    Some(Rehearsal {
        run: past.folder.id,
        at,
        changed,
    })
}

/// Whether every VM of the plan was drilled. One that the runbook got since is a change of it.
fn covers(only: &[VmName], drilled: &Plan, plan: &Plan) -> bool {
    only.is_empty() || plan.vms.iter().all(|vm| drilled.vms.contains(vm))
}

/// What the runbook says otherwise than the drilled one, both at the drill's places and with what it
/// was started with.
fn differences(drill: &Past, runbook: &Runbook) -> Result<Vec<String>, Failure> {
    let now = as_walked(runbook.clone(), drill.info.mode, &drill.folder.id);
    let was = &drill.loaded.runbook;
    let variables = drill.state().variables();
    let (old, new) = (
        past::plan_of(was, &drill.info, variables.clone())?,
        past::plan_of(&now, &drill.info, variables)?,
    );
    let version = |plan, runbook| Version { plan, runbook };
    let mut lines = plan::difference(version(&old, was), version(&new, &now), |_| false).lines();
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Ok(lines.iter().map(|line| line.trim().to_owned()).collect())
}

/// How a look is told.
struct Printer {
    json: bool,
    colour: bool,
    rings: bool,
}

impl Printer {
    fn whole(&self, round: &lines::Round<'_>) -> String {
        if self.json {
            json::whole(round)
        } else {
            lines::whole(round, self.colour)
        }
    }

    fn changes(&self, task: &Task, at: Timestamp, changed: &[Change]) -> String {
        if self.json {
            return json::changes(task, at, changed);
        }
        let mut text = lines::changes(at, changed, self.colour);
        if self.rings && changed.iter().any(Change::is_worse) {
            text.push('\x07');
        }
        text
    }
}

/// Looks, prints, and where it watches looks again. The status is that of the last look.
async fn rounds(
    task: &Task,
    hosts: &Hosts,
    sha256: &str,
    every: Option<Duration>,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let mut before: Option<Vec<Finding>> = None;
    let progress = std::io::stderr().is_terminal() && !printer.json && every.is_none();
    let tell = |host: &HostName, took, opened| {
        if progress {
            let _ = writeln!(std::io::stderr(), "{}", answered(host, took, opened));
        }
    };
    loop {
        let began = std::time::Instant::now();
        let seen = tokio::select! {
            seen = look(task, hosts, &tell) => seen,
            () = signals.any() => return Ok(before.map_or(Exit::Resumable, |found| exit_of(&found))),
        };
        let mut findings = cleaned(hosts, judge(task, &seen));
        if let Some(before) = &before {
            carry_over(task, &seen, before, &mut findings);
        }
        let text = match &before {
            None => printer.whole(&lines::Round {
                task,
                seen: &seen,
                findings: &findings,
                sha256,
                took: began.elapsed(),
            }),
            Some(before) => match changes(before, &findings) {
                same if same.is_empty() => String::new(),
                changed => printer.changes(task, seen.at, &changed),
            },
        };
        let exit = exit_of(&findings);
        let mut out = std::io::stdout().lock();
        let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        drop(out);
        // Whoever read along has seen enough when the pipe is closed.
        let Some(every) = every.filter(|_| printed.is_ok()) else {
            return Ok(exit);
        };
        before = Some(findings);
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = signals.any() => return Ok(exit),
        }
    }
}

/// A line about a host that was asked.
pub(super) fn answered(host: &HostName, took: Duration, opened: bool) -> String {
    let how = if opened {
        "answered"
    } else {
        "cannot be asked"
    };
    format!("{host} {how} ({:.1} s)", took.as_secs_f32())
}

/// Findings as they may be shown: secrets masked, nothing in them that controls a terminal.
pub(super) fn cleaned(hosts: &Hosts, mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        let fault = &mut finding.fault;
        for text in [
            &mut fault.what,
            &mut fault.place,
            &mut fault.state,
            &mut fault.next,
        ] {
            *text = hosts.clean(text);
        }
    }
    findings
}

/// 0 where nothing has to be done.
fn exit_of(findings: &[Finding]) -> Exit {
    if is_ready(findings) {
        Exit::Clean
    } else {
        Exit::Findings
    }
}

/// What ends a look.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::invalid(
                    format!("signals cannot be listened for: {error}"),
                    "this machine",
                    "free processes or memory, then start it again",
                )
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::load::load_bundled;
    use crate::runbook;

    #[test]
    fn a_planned_run_is_looked_at_where_the_runbook_can_be_walked_as_one() {
        use clap::Parser as _;

        let plan_of = |text: &str| {
            let loaded = runbook::load("r.yaml", text, &runbook::Limits::default()).unwrap();
            let way = WayHome {
                loaded,
                path: None,
                before: None,
                only: Vec::new(),
            };
            let words = ["lifeboat", "check", "r.yaml", "--planned"];
            let Some(Command::Check(args)) = Cli::parse_from(words).command else {
                unreachable!();
            };
            plan_of(&way, &args, &Answers::default(), Vec::new())
        };
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let verbs = |plan: Plan| plan.steps.into_iter().map(|step| step.action.verb());
        let planned: Vec<_> = verbs(plan_of(text).unwrap()).collect();
        assert!(planned.contains(&"replicate") && !planned.contains(&"restore"));
        // Without the stop it would lose what is written meanwhile.
        let gaps = text.replacen("shut_down: \"${vm}\"", "fence: \"${vm}\"", 1);
        assert_ne!(gaps, text);
        let Err(refused) = plan_of(&gaps) else {
            panic!("it was planned");
        };
        let told = format!("{refused:?}");
        assert!(told.contains("cannot be walked as a planned run"), "{told}");
    }

    #[test]
    fn a_drill_of_some_vms_counts_for_those() {
        let runbook = load_bundled().unwrap().runbook;
        let plan = |only: &[VmName]| {
            let inputs = PlanInputs {
                variables: [("ticket".into(), "INC000001".to_owned())].into(),
                only: only.to_vec(),
            };
            make_plan(&runbook, &[Section::Failover], Mode::Drill, &inputs).unwrap()
        };
        let only = [VmName::from("sql01")];
        let (some, all) = (plan(&only), plan(&[]));
        assert!(covers(&only, &some, &some));
        assert!(!covers(&only, &some, &all));
        assert!(covers(&[], &all, &some));
    }
}
