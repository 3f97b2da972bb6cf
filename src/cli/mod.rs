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
mod homeward;
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
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use crate::engine::Chapter;
use crate::journal::Store;
use crate::runbook;
use crate::runbook::model::{Mode, Section};
use crate::settings::Settings;

use args::{ActArgs, Cli, Command, EndArgs, StartArgs, WatchArgs};
use console::{Conclusion, Console};
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
            let act = args.start.act.clone();
            walk(state, act, async |console| {
                practice::practice(console, args).await
            })
        }
        Some(Command::Run {
            runbook,
            planned,
            from_drill,
            no_check,
            start,
        }) => walk(state, start.act.clone(), async |console| match from_drill {
            Some(drill) => failover_from(console, runbook, &drill, start, !no_check).await,
            None => {
                let mode = if planned {
                    Mode::Planned
                } else {
                    Mode::Failover
                };
                failover(console, runbook, mode, start, !no_check).await
            }
        }),
        Some(Command::Drill { runbook, start }) => {
            walk(state, start.act.clone(), async |console| {
                failover(console, runbook, Mode::Drill, start, false).await
            })
        }
        Some(Command::Failback {
            what,
            no_check,
            start,
        }) => walk(state, start.act.clone(), async |console| {
            failback::failback(console, &what, start, !no_check).await
        }),
        Some(Command::Resume(args)) => {
            let act = args.act.clone();
            walk(state, act, async |console| {
                resume::resume(console, &args).await
            })
        }
        Some(Command::Commit(args)) => close_run(state, Chapter::Commit, &args),
        Some(Command::Rollback(args)) => close_run(state, Chapter::Rollback, &args),
        Some(Command::Cleanup {
            end,
            keep_disks: false,
        }) => close_run(state, Chapter::Cleanup, &end),
        Some(Command::Cleanup { end, .. }) => {
            let act = end.act.clone();
            walk(state, act, async |console| {
                keeping::keep_disks(console, &end).await
            })
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
        Some(Command::Plan(args)) => paper::print(&args, &mut out),
        Some(Command::Runs) => {
            let layout = if out.is_terminal() {
                runs::Layout::Columns
            } else {
                runs::Layout::Lines
            };
            // Whoever reads along has seen enough when the pipe is closed.
            let _ = runs::whole(&store(state)?.list()?, Timestamp::now(), layout, &mut out);
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

/// Walks a run at a console, gives the terminal back, then says how it ended.
fn walk(
    state: Option<PathBuf>,
    act: ActArgs,
    steps: impl AsyncFnOnce(&mut Console) -> Result<Conclusion, Failure>,
) -> Result<Exit, Failure> {
    let mut console = Console::open(state, act)?;
    let walked = block_on(steps(&mut console));
    console.close_screen();
    Ok(walked?.say())
}

fn close_run(state: Option<PathBuf>, chapter: Chapter, args: &EndArgs) -> Result<Exit, Failure> {
    walk(state, args.act.clone(), async |console| {
        ending::end(console, chapter, args).await
    })
}

fn watch_run(state: Option<PathBuf>, args: &WatchArgs) -> Result<Exit, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let act = ActArgs {
        // Its hosts are watched in plain lines; a terminal serves to ask for passwords.
        headless: args.headless || args.json || (args.hosts && !terminal),
        operator: args.operator.clone(),
        ..ActArgs::default()
    };
    if args.hosts {
        let mut console = Console::open(state, act)?;
        return block_on(lookout::look_on(&mut console, args));
    }
    walk(state, act, async |console| {
        watch::watch(console, &args.run).await
    })
}

/// A drill does not look first: what is judged there are the places of production.
async fn failover(
    console: &mut Console,
    runbook: PathBuf,
    mode: Mode,
    args: StartArgs,
    looks_first: bool,
) -> Result<Conclusion, Failure> {
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
