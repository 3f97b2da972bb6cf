//! The guard and the loop in a real pseudo-terminal: this test binary starts itself again there.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::engine::OperatorInput;
use crate::runner::{Live, RunHandle, Update};
use crate::tui::fixture::{Story, at, plan, runbook};
use crate::tui::{RunExit, Screen, Theme};

/// Which scenario the started copy of this binary plays.
const SCENARIO: &str = "LIFEBOAT_SCREEN_TEST";
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays a scenario if it was started for that; does nothing among the other tests.
#[test]
fn child() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let exit = runtime.block_on(play(&scenario));
    println!("EXIT {exit:?}");
}

async fn play(scenario: &str) -> std::io::Result<RunExit> {
    let (inputs, mut decisions) = tokio::sync::mpsc::unbounded_channel();
    let (events, updates) = tokio::sync::mpsc::unbounded_channel();
    let mut past = Story::asking().entries;
    // As if it had begun just now, so that the clocks are plausible.
    let shift = jiff::Timestamp::now().duration_since(at(300));
    for entry in &mut past {
        Arc::make_mut(entry).at += shift;
    }
    let handle = RunHandle {
        run: "20260102-030405-k7qd".into(),
        dir: "/home/alice/.local/state/lifeboat/runs/20260102-030405-k7qd".into(),
        elsewhere: String::new(),
        plan: Arc::new(plan()),
        runbook: Arc::new(runbook()),
        past,
        hosts: None,
        inputs,
        updates,
    };
    if scenario == "flood" {
        let events = events.clone();
        tokio::spawn(async move {
            for line in 0..100_000 {
                let live = Live::Output {
                    host: "lee-esx1".into(),
                    line: format!("line {line}"),
                    replaces: line % 3 == 0,
                };
                let _ = events.send(Update::Live(live));
                if line % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        });
    }
    let task_panics = scenario == "task-panic";
    tokio::spawn(async move {
        if task_panics {
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                panic!("a task of the runner");
            });
        }
        while let Some(input) = decisions.recv().await {
            if let OperatorInput::Confirm { step, .. } = &input {
                let line = format!("confirmed {step}");
                let live = Live::Output {
                    host: "lee-esx1".into(),
                    line,
                    replaces: false,
                };
                let _ = events.send(Update::Live(live));
            }
            if matches!(input, OperatorInput::Detach { .. }) {
                let _ = events.send(Update::Ended {
                    head: "ab".repeat(32),
                    fault: None,
                });
            }
        }
    });
    let mut screen = Screen::open(Theme::detect(|name| std::env::var(name).ok()))?;
    if scenario == "panic" {
        let timer = tokio::time::sleep(Duration::from_millis(300));
        let run = screen.run(handle, "alice");
        tokio::select! {
            _ = timer => panic!("the thread that draws"),
            exit = run => return exit,
        }
    }
    screen.run(handle, "alice").await
}

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    bytes: Receiver<Vec<u8>>,
    writer: Box<dyn Write + Send>,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        cols: columns,
        rows,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn start(scenario: &str, variables: &[(&str, &str)]) -> Terminal {
    let pair = native_pty_system().openpty(size(80, 24)).unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tui::terminal::tests::child", "--nocapture"]);
    for name in [
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR_FORCE",
        "LC_ALL",
        "LC_CTYPE",
    ] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command.env("LANG", "en_GB.UTF-8");
    command.env(SCENARIO, scenario);
    for (name, value) in variables {
        command.env(name, value);
    }
    let child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let writer = pair.master.take_writer().unwrap();
    let (sender, bytes) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let rows = NonZero::new(24).unwrap();
    let columns = NonZero::new(80).unwrap();
    let screen = vt100::Parser::new(rows, columns, 0);
    Terminal {
        master: pair.master,
        child,
        bytes,
        writer,
        screen,
        raw: Vec::new(),
    }
}

impl Terminal {
    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads until the screen is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(self.screen.screen()) {
            match self
                .bytes
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => {
                    self.raw.extend_from_slice(&bytes);
                    self.screen.process(&bytes);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("never saw {what}:\n{}", self.text());
                }
            }
        }
    }

    fn sees(&mut self, text: &str) {
        let wanted = text.to_owned();
        self.until(text, move |screen| screen.contents().contains(&wanted));
    }

    /// Takes in what has come.
    fn sees_anything(&mut self) {
        if let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(50)) {
            self.raw.extend_from_slice(&bytes);
            self.screen.process(&bytes);
        }
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// The window's title: the last one that was written.
    fn title(&self) -> String {
        let raw = String::from_utf8_lossy(&self.raw);
        let last = raw.rsplit("\u{1b}]0;").next().unwrap_or_default();
        last.split('\u{7}').next().unwrap_or_default().to_owned()
    }

    fn is_given_back(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "{}", self.text());
        assert!(!screen.bracketed_paste());
        assert!(!screen.hide_cursor());
        let raw = String::from_utf8_lossy(&self.raw);
        assert!(raw.contains("\u{1b}[23;2t"), "the title was not put back");
    }

    /// Echo is on again: what is typed shows.
    fn echoes(&mut self) {
        let modes = self.master.get_termios().unwrap();
        assert!(format!("{modes:?}").contains("ECHO"), "{modes:?}");
    }
}

#[test]
fn keys_reach_the_engine_and_leaving_gives_the_terminal_back() {
    let mut terminal = start("run", &[]);
    terminal.sees("[Enter] send");
    assert!(terminal.screen.screen().alternate_screen());
    assert!(terminal.screen.screen().bracketed_paste());
    assert_eq!(
        terminal.title(),
        "FAILOVER 3/20 - needs you: register sql01"
    );
    terminal.press("\r");
    terminal.press("4");
    terminal.sees("lee-esx1| confirmed");
    // A paste is no key: it neither confirms nor leaves.
    terminal.press("\u{1b}[200~qy\r\u{1b}[201~");
    terminal.sees("text fields only");
    terminal.press("\u{3}\u{3}");
    terminal.sees("EXIT Ok(RunExit { detached: true");
    terminal.is_given_back();
    terminal.echoes();
}

#[test]
fn a_panic_of_the_thread_that_draws_gives_the_terminal_back_first() {
    let mut terminal = start("panic", &[]);
    terminal.sees("the thread that draws");
    terminal.is_given_back();
    terminal.echoes();
}

#[test]
fn a_panic_of_another_thread_becomes_a_banner() {
    let mut terminal = start("task-panic", &[]);
    terminal.sees("a task of the console panicked");
    assert!(terminal.screen.screen().alternate_screen());
    assert!(
        !terminal.text().contains("a task of the runner"),
        "{}",
        terminal.text()
    );
    terminal.press("\u{3}\u{3}");
    terminal.sees("EXIT Ok");
    terminal.is_given_back();
}

#[test]
fn signals_detach_and_give_the_terminal_back() {
    for name in ["TERM", "HUP", "INT"] {
        let mut terminal = start("run", &[]);
        terminal.sees("[Enter] send");
        let pid = terminal.child.process_id().unwrap().to_string();
        let killed = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(killed.unwrap().success());
        terminal.sees("EXIT Ok(RunExit { detached: true");
        terminal.is_given_back();
    }
}

#[test]
fn without_colour_the_selected_step_is_still_inverse() {
    let mut terminal = start("run", &[("NO_COLOR", "1")]);
    terminal.sees("[Enter] send");
    let screen = terminal.screen.screen();
    let row = (0..24).find(|row| {
        screen
            .rows(0, 30)
            .nth(usize::from(*row))
            .is_some_and(|line| line.contains("! register"))
    });
    let cell = screen.cell(row.unwrap(), 8).unwrap();
    assert!(cell.inverse() && cell.bold(), "{cell:?}");
    let colours = (0..24).flat_map(|y| (0..80).map(move |x| (y, x)));
    let coloured = colours
        .filter_map(|(y, x)| screen.cell(y, x))
        .filter(|cell| {
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        });
    assert_eq!(coloured.count(), 0);
}

#[test]
fn a_window_that_shrinks_and_grows_is_drawn_anew() {
    let mut terminal = start("run", &[]);
    terminal.sees("[Enter] send");
    terminal.master.resize(size(50, 10)).unwrap();
    terminal
        .screen
        .screen_mut()
        .set_size(NonZero::new(10).unwrap(), NonZero::new(50).unwrap());
    terminal.sees("too small");
    terminal.master.resize(size(120, 30)).unwrap();
    terminal
        .screen
        .screen_mut()
        .set_size(NonZero::new(30).unwrap(), NonZero::new(120).unwrap());
    terminal.sees("[3] hosts");
    terminal.sees("[Enter] send");
}

#[test]
fn what_a_killed_console_left_on_the_screen_is_wiped() {
    let mut terminal = start("run", &[]);
    let left = b"\x1b[?1049h\x1b[22;60Hof the last one";
    terminal.screen.process(left);
    terminal.sees("[Enter] send");
    let text = terminal.text();
    assert!(!text.contains("of the last one"), "{text}");
}

#[test]
fn a_flood_of_output_neither_starves_the_keys_nor_the_line() {
    let from = Instant::now();
    let mut terminal = start("flood", &[]);
    terminal.sees("FAILOVER");
    let frames = |raw: &[u8]| {
        String::from_utf8_lossy(raw)
            .matches("\u{1b}[?2026h")
            .count()
    };
    terminal.press("l");
    terminal.sees("log in UTC");
    while from.elapsed() < Duration::from_secs(1) {
        terminal.sees_anything();
    }
    let drawn = frames(&terminal.raw);
    let most = from.elapsed().as_millis() / 33 + 2;
    assert!(drawn as u128 <= most, "{drawn} frames, {most} at most");
    terminal.press("\u{3}\u{3}");
    terminal.sees("EXIT Ok");
}
