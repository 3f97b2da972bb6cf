//! `lifeboat watch RUN --hosts`: the hosts of a run whose steps are over, looked at until somebody
//! commits it, takes it back or takes its VMs home. It sends nothing but reads.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::{Clock, to_second};
use crate::engine::{Chapter, Lookout, Sign, Stage, TakenBy, TakenHome};
use crate::error::Fault;
use crate::host::Hosts;
use crate::journal::{self, RunFolder, Store};
use crate::names::RunId;
use crate::runbook::model::Mode;
use crate::runner::{Ending, News, Watch};

use super::answers::{self, Answers};
use super::args::WatchArgs;
use super::check::{self, Signals};
use super::console::{Console, as_typed};
use super::exit::{Exit, Failure};
use super::homeward::{Homeward, failbacks, taken_home};
use super::logins::readers;
use super::past::Past;
use super::report::{document, write_all};

/// Between two looks at the other runs: one of them may take this run's VMs home.
const OTHERS: Duration = Duration::from_secs(10);
/// Where words begin, beside the time.
const INDENT: usize = 22;

/// Looks until the run is ended or a signal comes.
pub(super) async fn look_on(console: &mut Console, args: &WatchArgs) -> Result<Exit, Failure> {
    let folder = console.store.find(&args.run)?;
    let past = Past::read(folder)?.whole()?;
    let mode = past.info.mode.unwrap_or(Mode::Failover);
    let mut teller = Teller {
        folder: past.folder.clone(),
        json: args.json,
        rings: std::io::stdout().is_terminal(),
        alarms: 0,
        kept: false,
        damaged: BTreeSet::new(),
        out: Box::new(std::io::stdout()),
        deaf: false,
    };
    if let Some(why) = nothing_to_see(&past, mode) {
        return Err(Failure::of(
            Exit::Refused,
            &Fault::new(
                format!("there is nothing to watch: {why}"),
                format!("run {}", past.folder.id),
                "no host was asked",
                as_typed(
                    &past.folder,
                    &format!("see how it stands: lifeboat report {}", past.folder.id),
                ),
            ),
        ));
    }
    let (mut watch, hosts) = begin(console, args, &past).await?;
    teller.begins(&past, &watch);
    let looked = look(console, &mut watch, &mut teller).await;
    let exit = looked.map(|ended| teller.ends(&watch, ended));
    drop(watch);
    hosts.close().await;
    let written = write_report_again(&past, &teller);
    let exit = exit?;
    written?;
    Ok(exit)
}

/// Why a watch of this run's hosts would tell nothing.
fn nothing_to_see(past: &Past, mode: Mode) -> Option<String> {
    match mode {
        Mode::Practice => return Some("a practice's site goes with it".to_owned()),
        Mode::Drill => {
            return Some("a drill's VMs are copies, and it leaves the other site alone".to_owned());
        }
        Mode::Failover | Mode::Planned | Mode::Failback => {}
    }
    let stage = Stage::of(&past.state());
    let is_open = matches!(
        stage,
        Stage::Unfinished
            | Stage::Interrupted
            | Stage::RecoveryRequired(_)
            | Stage::SplitSince(_)
            | Stage::SplitBefore(..)
            | Stage::SplitIn(Chapter::Commit, _)
            | Stage::CommitDue { .. }
            | Stage::Begun(_)
            | Stage::Committing
    );
    (!is_open).then(|| format!("the run is {}", stage.words()))
}

async fn begin(
    console: &mut Console,
    args: &WatchArgs,
    past: &Past,
) -> Result<(Watch, Hosts), Failure> {
    let runbook = &past.loaded.runbook;
    let answers = match &args.answers {
        Some(path) => answers::read(path, runbook)?,
        None => Answers::default(),
    };
    let path = Path::new(&past.info.runbook_path);
    let (runbook, hosts) = readers(console, &answers, runbook, path).await?;
    let operator = console.settings.operator.clone();
    let place = console.settings.console.clone();
    let dir = past.folder.path.clone();
    let watch = Watch::begin(dir, runbook, hosts.clone(), operator, place)
        .map_err(|fault| Failure::of(Exit::Invalid, &fault))?;
    Ok((watch, hosts))
}

/// How a watch came to its end.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// The run is ended, or is being ended.
    Run,
    /// By a signal, or because nobody reads.
    Left,
}

async fn look(console: &Console, watch: &mut Watch, teller: &mut Teller) -> Result<Ended, Failure> {
    let mut signals = Signals::new()?;
    let mut others: Option<Instant> = None;
    loop {
        if others.is_none_or(|looked| looked.elapsed() > OTHERS) {
            others = Some(Instant::now());
            if teller.look_homeward(&console.store, watch)? {
                return Ok(Ended::Run);
            }
        }
        let news = tokio::select! {
            biased;
            () = signals.any() => return Ok(Ended::Left),
            news = watch.next() => news.map_err(|fault| Failure::of(Exit::Findings, &fault))?,
        };
        for news in news {
            if teller.news(&news, &Stage::of(watch.state()), watch.lookout()) {
                return Ok(Ended::Run);
            }
        }
        if teller.deaf {
            return Ok(Ended::Left);
        }
    }
}

/// The report says what the journal says: written again where the watch added to that.
fn write_report_again(past: &Past, teller: &Teller) -> Result<(), Failure> {
    // Whoever has the run open writes its report.
    if !teller.kept || journal::held_by(&past.folder.path)?.is_some() {
        return Ok(());
    }
    let now = Past::read(past.folder.clone())?;
    write_all(&now.folder, &document(&now)).map(|_| ())
}

/// What a line is about.
#[derive(Serialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
enum Line<'a> {
    Begun,
    Sign {
        #[serde(flatten)]
        sign: &'a Sign,
        alarm: bool,
        ways: &'a [String],
    },
    /// What is wrong as last seen, where the watch ends.
    Wrong {
        #[serde(flatten)]
        sign: &'a Sign,
    },
    Kept,
    NotKept,
    /// What is wrong with a failback's journal.
    Damaged {
        failback: &'a RunId,
    },
    /// A failback takes VMs home: the others are watched on.
    TakenHome {
        by: &'a [TakenBy],
    },
    Ended,
    Left,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    lifeboat_watch: u32,
    at: Timestamp,
    run: &'a RunId,
    #[serde(flatten)]
    line: &'a Line<'a>,
    words: &'a str,
}

/// Prints lines, words or JSON, and counts.
struct Teller {
    folder: RunFolder,
    json: bool,
    rings: bool,
    alarms: usize,
    /// Something was added to the run's journal.
    kept: bool,
    /// Failbacks of which it was said that their journals are damaged.
    damaged: BTreeSet<RunId>,
    /// Who reads.
    out: Box<dyn Write + Send>,
    /// Nobody reads any more.
    deaf: bool,
}

impl Teller {
    fn begins(&mut self, past: &Past, watch: &Watch) {
        let stage = Stage::of(watch.state()).words();
        let words = format!(
            "watching the hosts of run {} ({}): {stage}. It ends by itself at commit, rollback or failback; Ctrl-C leaves",
            self.folder.id, past.info.runbook
        );
        self.line(&Line::Begun, &words);
    }

    /// What has become of the run's failbacks, and whether nothing is left to watch then.
    fn look_homeward(&mut self, store: &Store, watch: &mut Watch) -> Result<bool, Failure> {
        let failbacks = failbacks(store, &self.folder.id)?;
        self.damaged(&failbacks);
        Ok(self.homeward(watch, taken_home(&failbacks, watch.state())))
    }

    /// Says once of each failback that its journal is damaged.
    fn damaged(&mut self, failbacks: &[Homeward]) {
        for one in failbacks {
            let Some(what) = one.damaged_in_words() else {
                continue;
            };
            let failback = &one.taken.by;
            if self.damaged.insert(failback.clone()) {
                let words =
                    format!("{what}; what is known of it counts, and the other VMs are watched on");
                self.line(&Line::Damaged { failback }, &words);
            }
        }
    }

    /// Leaves out what failbacks take home, and whether nothing is left to watch then.
    fn homeward(&mut self, watch: &mut Watch, home: Option<TakenHome>) -> bool {
        if let Some(home) = home.as_ref().filter(|home| home.all) {
            let by = home.runs();
            self.line(
                &Line::Ended,
                &format!("failback {by} takes its VMs home: what is seen from now on is for it to judge, while its console is at it"),
            );
            return true;
        }
        let by = home.map_or_else(Vec::new, |home| home.by);
        if watch.leave_out(&by) {
            let taken: Vec<String> = by.iter().map(TakenBy::in_words).collect();
            let words = match taken.as_slice() {
                [] => "no failback has VMs of it any more: all are watched".to_owned(),
                taken => format!("{}; its other VMs are watched on", taken.join("; ")),
            };
            self.line(&Line::TakenHome { by: &by }, &words);
        }
        false
    }

    /// Says one thing, and whether it ends the watch.
    fn news(&mut self, news: &News, stage: &Stage, seen: &Lookout) -> bool {
        match news {
            News::Sign(sign) => self.sign(sign, stage, seen),
            News::Kept => {
                self.kept = true;
                self.line(&Line::Kept, "kept in the run's journal");
            }
            News::NotKept(why) => {
                self.line(
                    &Line::NotKept,
                    &format!("not kept in the run's journal: {why}"),
                );
            }
            News::Ended(ending) => {
                let words = match ending {
                    Ending::Committed => "the run is committed: nothing is left to watch",
                    Ending::TakenBack => {
                        "the run is being taken back: whoever does that looks, while the console is at it"
                    }
                };
                self.line(&Line::Ended, words);
                return true;
            }
        }
        false
    }

    fn sign(&mut self, sign: &Sign, stage: &Stage, seen: &Lookout) {
        let ways = sign.ways(&self.folder.id, stage, seen).into_iter();
        let ways: Vec<String> = ways.map(|way| as_typed(&self.folder, &way)).collect();
        let alarm = sign.is_alarm();
        self.alarms += usize::from(alarm);
        let line = Line::Sign {
            sign,
            alarm,
            ways: &ways,
        };
        self.line(&line, &sign.in_words());
        if self.json {
            return;
        }
        for way in &ways {
            self.put_words("", &format!("way on: {way}"));
        }
        if alarm && self.rings {
            let out = &mut self.out;
            let _ = out.write_all(b"\x07").and_then(|()| out.flush());
        }
    }

    /// How it stands when the watch ends, and the status that goes with it: that of the last look.
    fn ends(&mut self, watch: &Watch, ended: Ended) -> Exit {
        let lookout = watch.lookout();
        let wrong = lookout.wrong();
        for sign in &wrong {
            let words = format!("as last seen: {}", sign.in_words());
            self.line(&Line::Wrong { sign }, &words);
        }
        if matches!(ended, Ended::Left) {
            let words = format!(
                "left, with {} alarm{} so far; go on: lifeboat watch --hosts {}",
                self.alarms,
                if self.alarms == 1 { "" } else { "s" },
                self.folder.id
            );
            let words = as_typed(&self.folder, &words);
            self.line(&Line::Left, &words);
        }
        match ended {
            _ if !wrong.is_empty() => Exit::Findings,
            Ended::Left if !lookout.has_looked() => Exit::Resumable,
            _ => Exit::Clean,
        }
    }

    fn line(&mut self, line: &Line<'_>, words: &str) {
        let at = Clock::system().now();
        if !self.json {
            self.put_words(&to_second(at), words);
            return;
        }
        let line = JsonLine {
            lifeboat_watch: 1,
            at,
            run: &self.folder.id,
            line,
            words,
        };
        match serde_json::to_string(&line) {
            Ok(text) => self.put(&(text + "\n")),
            Err(error) => tracing::warn!(%error, "a line could not be made"),
        }
    }

    /// Words beside the time, or below those before.
    fn put_words(&mut self, time: &str, words: &str) {
        let mut text = String::new();
        check::put(&mut text, &format!("{time:<INDENT$}"), words, INDENT);
        self.put(&text);
    }

    fn put(&mut self, text: &str) {
        let out = &mut self.out;
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.deaf |= written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::runs::tests::{RUNBOOK, back, damage, sent, went_out};
    use crate::host::{Policy, Redactor};
    use crate::runbook::{self, Limits};

    /// What was told and not heard yet.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Heard {
        /// In one line.
        fn take(&self) -> String {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            let text = String::from_utf8(bytes).unwrap();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }

    /// A watch of the run that asks no host, and who tells of it.
    fn watching(store: &Store, run: &RunId, heard: &Heard) -> (Watch, Teller) {
        let folder = store.find(run.as_str()).unwrap();
        let runbook = runbook::load("bundled", RUNBOOK, &Limits::default());
        let policy = Policy::for_mode(Mode::Drill);
        let watch = Watch::begin(
            folder.path.clone(),
            Arc::new(runbook.unwrap().runbook),
            Hosts::new(Vec::new(), policy, Redactor::new()),
            "bob".to_owned(),
            "noc-2".to_owned(),
        );
        let teller = Teller {
            folder,
            json: false,
            rings: false,
            alarms: 0,
            kept: false,
            damaged: BTreeSet::new(),
            out: Box::new(heard.clone()),
            deaf: false,
        };
        (watch.unwrap(), teller)
    }

    #[tokio::test]
    async fn a_damaged_failback_is_told_once_and_what_is_known_of_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let run = went_out(&store);
        let heard = Heard::default();
        let (mut watch, mut teller) = watching(&store, &run, &heard);
        let mut is_over = || {
            let over = teller.look_homeward(&store, &mut watch);
            over.unwrap_or_else(|failure| panic!("{}", failure.text))
        };
        assert!(!is_over());
        assert_eq!(heard.take(), "");
        let web = back(&store, &run, "web01", vec![sent()]);
        damage(&store, &web);
        assert!(!is_over());
        let told = heard.take();
        for words in [
            format!("failback {web} of it cannot be judged: line 3 of "),
            "what is known of it counts, and the other VMs are watched on".to_owned(),
            format!("failback {web} took web01 home: what runs where is for that run to judge"),
        ] {
            assert!(told.contains(&words), "{words}: {told}");
        }
        assert!(!is_over());
        assert_eq!(heard.take(), "", "told once");
        let sql = back(&store, &run, "sql01", vec![sent()]);
        damage(&store, &sql);
        assert!(is_over());
        let told = heard.take();
        assert!(
            told.contains(&format!("failback {sql} of it cannot be judged"))
                && told.contains("takes its VMs home"),
            "{told}"
        );
    }
}
