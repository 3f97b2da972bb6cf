//! The command line: one small file per subcommand, and the dispatch.
//!
//! Every command ends in an [`Exit`]; what keeps one from its work is a [`Failure`], printed on
//! standard error as what, where, in which state things are, and the next move.

mod answers;
mod args;
mod check;
mod console;
mod correct;
mod drill;
mod ending;
mod evidence;
mod exit;
mod failback;
mod findings;
mod forms;
mod from_drill;
mod handover;
mod home;
mod in_use;
mod keeping;
mod leaving;
mod load;
mod logins;
mod lookout;
mod manual;
mod outage;
mod paper;
mod past;
mod practice;
mod preflight;
mod report;
mod resume;
mod runs;
mod site;
mod start;
pub mod validate;
mod variables;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use crate::engine::Chapter;
use crate::journal::Store;
use crate::names::{RunId, VmName};
use crate::plan::PlanInputs;
use crate::runbook;
use crate::runbook::model::{Mode, Section};
use crate::settings::Settings;

use args::{Cli, Command, EndArgs, PlanArgs, PlanMode, StartArgs, WatchArgs};
use console::Console;
pub use exit::{Exit, Failure};
use from_drill::failover_from;

/// Runs the program with the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

/// Runs one command line and says what has to be said.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Invalid
            } else {
                Exit::Clean
            };
        }
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{}", failure.text);
            failure.exit
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let Cli { state, command } = cli;
    let mut out = std::io::stdout();
    match command {
        None => block_on(home::home(state)),
        Some(Command::Practice(args)) => {
            let mut console = Console::open(state, args.start.act.clone())?;
            finish(block_on(practice::practice(&mut console, args)), console)
        }
        Some(Command::Run {
            runbook,
            planned,
            from_drill,
            no_check,
            start,
        }) => {
            let mut console = Console::open(state, start.act.clone())?;
            if let Some(drill) = from_drill {
                let live = failover_from(&mut console, runbook, &drill, start, !no_check);
                return finish(block_on(live), console);
            }
            let mode = if planned {
                Mode::Planned
            } else {
                Mode::Failover
            };
            finish(
                block_on(failover(&mut console, runbook, mode, start, !no_check)),
                console,
            )
        }
        Some(Command::Drill { runbook, start }) => {
            let mut console = Console::open(state, start.act.clone())?;
            let walked = block_on(failover(&mut console, runbook, Mode::Drill, start, false));
            finish(walked, console)
        }
        Some(Command::Failback {
            what,
            no_check,
            start,
        }) => {
            let mut console = Console::open(state, start.act.clone())?;
            finish(
                block_on(failback::failback(&mut console, &what, start, !no_check)),
                console,
            )
        }
        Some(Command::Resume(args)) => {
            let mut console = Console::open(state, args.act.clone())?;
            finish(block_on(resume::resume(&mut console, &args)), console)
        }
        Some(Command::Commit(args)) => close_run(state, Chapter::Commit, &args),
        Some(Command::Rollback(args)) => close_run(state, Chapter::Rollback, &args),
        Some(Command::Cleanup {
            end,
            keep_disks: false,
        }) => close_run(state, Chapter::Cleanup, &end),
        Some(Command::Cleanup { end, .. }) => {
            let mut console = Console::open(state, end.act.clone())?;
            finish(block_on(keeping::keep_disks(&mut console, &end)), console)
        }
        Some(Command::Watch(args)) => watch_run(state, &args),
        Some(Command::Brief { run }) => {
            let past = past::Past::read(store(state)?.find(&run)?)?;
            for line in handover::brief(&past, &past.state()) {
                let _ = writeln!(out, "{line}");
            }
            Ok(Exit::Clean)
        }
        Some(Command::Check(args)) => {
            let mut console = check::open(state, &args)?;
            block_on(check::check(&mut console, &args))
        }
        Some(Command::Validate { runbooks }) => {
            let colour = is_coloured(&out);
            // Whoever reads along has seen enough when the pipe is closed.
            let valid = validate::validate(&runbooks, colour, &mut out).unwrap_or(false);
            Ok(if valid { Exit::Clean } else { Exit::Invalid })
        }
        Some(Command::Plan(args)) => print_plan(&args, &mut out),
        Some(Command::Runs) => {
            let runs = store(state)?.list()?;
            // Whoever reads along has seen enough when the pipe is closed.
            let layout = if std::io::stdout().is_terminal() {
                runs::Layout::Columns
            } else {
                runs::Layout::Lines
            };
            let _ = runs::whole(&runs, Timestamp::now(), layout, &mut out);
            Ok(Exit::Clean)
        }
        Some(Command::Verify { run }) => verify::verify(&store(state)?, &run, &mut out),
        Some(Command::Report(args)) => report::report(&store(state)?, &args, &mut out),
        Some(Command::Sim(args)) => {
            let settings = settings(state)?;
            block_on(site::serve(&settings.state, &args, &mut out))
        }
        Some(Command::Schema) => {
            let _ = writeln!(out, "{:#}", runbook::schema());
            Ok(Exit::Clean)
        }
        Some(Command::Completions { shell }) => {
            manual::completions(shell, &mut out);
            Ok(Exit::Clean)
        }
        Some(Command::Man { command }) => manual::page(command.as_deref(), &mut out),
    }
}

/// Gives the terminal back, then says how it ended.
fn finish(
    walked: Result<console::Conclusion, Failure>,
    mut console: Console,
) -> Result<Exit, Failure> {
    console.close_screen();
    Ok(walked?.say())
}

fn close_run(state: Option<PathBuf>, chapter: Chapter, args: &EndArgs) -> Result<Exit, Failure> {
    let mut console = Console::open(state, args.act.clone())?;
    finish(block_on(ending::end(&mut console, chapter, args)), console)
}

fn watch_run(state: Option<PathBuf>, args: &WatchArgs) -> Result<Exit, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let act = args::ActArgs {
        // Its hosts are watched in plain lines; a terminal serves to ask for passwords.
        headless: args.headless || args.json || (args.hosts && !terminal),
        operator: args.operator.clone(),
        ..args::ActArgs::default()
    };
    let mut console = Console::open(state, act)?;
    if args.hosts {
        return block_on(lookout::look_on(&mut console, args));
    }
    finish(block_on(watch::watch(&mut console, &args.run)), console)
}

/// A drill does not look first: what is judged there are the places of production.
async fn failover(
    console: &mut Console,
    runbook: PathBuf,
    mode: Mode,
    args: StartArgs,
    looks_first: bool,
) -> Result<console::Conclusion, Failure> {
    let order = start::Order {
        loaded: load::load_runbook(&runbook)?,
        path: Some(runbook),
        mode,
        sections: vec![Section::Failover],
        parent: None,
        from_drill: None,
        start: args,
        looks_first,
    };
    start::start(console, order).await
}

/// Runs what acts. Two threads of work are enough: sessions have threads of their own.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::invalid(
                format!("the program cannot start its threads: {error}"),
                "this machine",
                "free processes or memory, then start it again",
            )
        })?;
    let done = runtime.block_on(work);
    // Whatever a hung host still holds must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

fn settings(state: Option<PathBuf>) -> Result<Settings, Failure> {
    Settings::resolve(state, None, |name| std::env::var_os(name))
        .map_err(|fault| Failure::of(Exit::Invalid, &fault))
}

fn store(state: Option<PathBuf>) -> Result<Store, Failure> {
    Ok(Store::new(settings(state)?.state))
}

fn print_plan(args: &PlanArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let loaded = load::load_runbook(Path::new(&args.runbook))?;
    let runbook = &loaded.runbook;
    let answers = answers::Answers::default();
    let sources = variables::Sources {
        set: &args.set,
        answers: &answers,
        before: None,
        examples: false,
    };
    let values = variables::gather(runbook, &sources)?;
    let variables = values.with_stand_ins();
    let only = args.only.iter().map(|vm| VmName::from(vm.trim())).collect();
    let inputs = PlanInputs { variables, only };
    let sections: &[Section] = match args.mode {
        PlanMode::Failover | PlanMode::Planned | PlanMode::Drill => &[Section::Failover],
        PlanMode::Failback => &[Section::Failback],
        PlanMode::Practice => &[Section::Failover, Section::Failback],
    };
    let plan = past::make_plan(runbook, sections, args.mode.mode(), &inputs)?;
    if args.mode == PlanMode::Planned {
        start::check_planned(runbook, &plan)?;
    }
    // A drill's places bear the id of its run, which nobody knows yet.
    let run = RunId::from("\u{2039}run\u{203a}");
    let walked = drill::as_walked(runbook.clone(), Some(args.mode.mode()), &run);
    let _ = out.write_all(paper::paper(&walked, &plan).as_bytes());
    Ok(Exit::Clean)
}

/// Whether what is written there may be coloured: a terminal, and `NO_COLOR` is not set.
fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands that act start the process's log, so they are tried from outside; see `tests/`.
    #[test]
    fn commands_that_look_end_in_the_status_of_the_manual() {
        let state = tempfile::tempdir().unwrap();
        let bad = state.path().join("bad.yaml");
        std::fs::write(&bad, "lifeboat: 1\n").unwrap();
        let good = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/runbooks/v2v-image-restore.yaml"
        );
        let bad = bad.to_str().unwrap();
        for (args, exit) in [
            (&["runs"][..], Exit::Clean),
            (&["--help"], Exit::Clean),
            (&["no-such-command"], Exit::Invalid),
            (&["validate", good], Exit::Clean),
            (&["validate", good, bad], Exit::Invalid),
            (&["validate", "/no/such/file"], Exit::Invalid),
            (
                &["plan", good, "--mode", "failback", "--only", "sql01"],
                Exit::Clean,
            ),
            (&["plan", good, "--mode", "planned"], Exit::Clean),
            (&["plan", good, "--mode", "drill"], Exit::Clean),
            (&["plan", good, "--only", "nobody"], Exit::Invalid),
            (&["plan", good, "--set", "ticket=12"], Exit::Invalid),
            (&["plan", bad], Exit::Invalid),
            (&["verify", "no-such-run"], Exit::Invalid),
            (&["report", "no-such-run"], Exit::Invalid),
            (&["schema"], Exit::Clean),
            (&["completions", "fish"], Exit::Clean),
            (&["completions", "dos"], Exit::Invalid),
            (&["man", "run"], Exit::Clean),
            (&["man", "walk"], Exit::Invalid),
        ] {
            let flags = ["--state", state.path().to_str().unwrap()];
            let line = ["lifeboat"]
                .iter()
                .chain(args)
                .chain(&flags)
                .map(OsString::from);
            assert_eq!(run(line), exit, "{args:?}");
        }
    }
}
