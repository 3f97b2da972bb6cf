//! A real pseudo-terminal with a screen model behind it.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::program::{Place, until, within};

/// What the program has drawn.
struct Screen {
    model: vt100::Parser,
    /// How often it began to say that a key came too early.
    refusals: usize,
    refuses: bool,
}

impl Screen {
    /// Frame by frame: what one says and the next one does not is seen, however late both are read.
    fn draw(&mut self, bytes: &[u8]) {
        const END: &[u8] = b"\x1b[?2026l";
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.windows(END.len()).position(|part| part == END);
            let (frame, after) = rest.split_at(end.map_or(rest.len(), |at| at + END.len()));
            self.model.process(frame);
            let refuses = self.model.screen().contents().contains("too early");
            self.refusals += usize::from(refuses && !self.refuses);
            self.refuses = refuses;
            rest = after;
        }
    }
}

/// A program in a terminal of its own.
pub struct Terminal {
    screen: Arc<Mutex<Screen>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    reader: JoinHandle<()>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// `lifeboat ARGS` in `columns` x `rows`.
    pub fn open(place: &Place, args: &[&str], columns: u16, rows: u16) -> Self {
        Self::open_with(place, args, columns, rows, &[])
    }

    pub fn open_with(
        place: &Place,
        args: &[&str],
        columns: u16,
        rows: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(args);
        command.cwd(place.path());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("NO_COLOR");
        command.env_remove("SSH_AUTH_SOCK");
        for (name, value) in place.environment() {
            command.env(name, value);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program");
        drop(pair.slave);
        let at_least_one = |cells| NonZeroU16::new(cells).expect("a size");
        let screen = Arc::new(Mutex::new(Screen {
            model: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            refusals: 0,
            refuses: false,
        }));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let model = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count) = output.read(&mut chunk) {
                if count == 0 {
                    break;
                }
                model.lock().expect("the screen").draw(&chunk[..count]);
            }
        });
        let keys = pair.master.take_writer().expect("its keyboard");
        Self {
            screen,
            keys,
            child,
            reader,
            _master: pair.master,
        }
    }

    pub fn text(&self) -> String {
        let screen = self.screen.lock().expect("the screen");
        screen.model.screen().contents()
    }

    pub fn in_alternate_screen(&self) -> bool {
        let screen = self.screen.lock().expect("the screen");
        screen.model.screen().alternate_screen()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a key");
        self.keys.flush().expect("a key");
    }

    /// How often a key was refused so far, once the screen says so no more.
    fn refusals(&self) -> Option<usize> {
        let screen = self.screen.lock().expect("the screen");
        (!screen.refuses).then_some(screen.refusals)
    }

    /// Presses until it shows: a key that comes too soon after a question has appeared is not taken,
    /// and the screen says so. Without that a console is only slow: pressed again, the key would
    /// answer whatever the first one opened.
    #[track_caller]
    pub fn press_for(&mut self, keys: &str, what: &str, limit: Duration) -> String {
        let before = self.text();
        assert!(
            !before.contains(what),
            "{what:?} is shown before {keys:?} is pressed, so it says nothing of it:\n{before}"
        );
        let end = Instant::now() + limit;
        loop {
            let refusals = within(limit, || self.refusals());
            std::thread::sleep(Duration::from_millis(600));
            self.press(keys);
            while self.refusals().is_none_or(|count| Some(count) == refusals) {
                let text = self.text();
                if text.contains(what) {
                    return text;
                }
                assert!(
                    Instant::now() < end,
                    "{what:?} did not come within {limit:?}:\n{text}"
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    #[track_caller]
    pub fn wait_for(&self, what: &str, limit: Duration) -> String {
        self.wait_until(what, limit, |text| text.contains(what))
    }

    #[track_caller]
    pub fn wait_until(&self, what: &str, limit: Duration, is: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + limit;
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(
                Instant::now() < until,
                "{what:?} did not come within {limit:?}:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    #[track_caller]
    pub fn exit(&mut self, limit: Duration) -> u32 {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                // Its last words are read behind it.
                until(limit, "its output does not end", || {
                    self.reader.is_finished()
                });
                return status.exit_code();
            }
            assert!(
                Instant::now() < end,
                "still there after {limit:?}:\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
