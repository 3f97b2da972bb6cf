//! A command or an interactive shell on a channel.
//!
//! As with a real sshd, closing the channel does not kill the command: it reads the end of its
//! input, and dies only if it writes to somebody who is gone.

use std::sync::Arc;
use std::thread;

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{oneshot, watch};

use crate::sim::host::SimHost;
use crate::sim::pipe::{PipeReader, PipeWriter, pipe};
use crate::sim::process::Process;
use crate::sim::shell::Shell;
use crate::sim::stdio::{Sink, Source, Stdio};

/// What is to run.
pub(super) struct Command {
    /// The connection's number, for the command log.
    pub(super) session: u64,
    /// Where.
    pub(super) host: Arc<SimHost>,
    /// As whom.
    pub(super) user: String,
    /// The command line; `None` is an interactive shell.
    pub(super) line: Option<String>,
    /// Whether the client asked for a terminal.
    pub(super) terminal: bool,
}

const INPUT_BYTES: usize = 4 << 20;
const OUTPUT_BYTES: usize = 256 << 10;
const STACK_BYTES: usize = 4 << 20;

/// Runs it to its end and answers with its exit status.
pub(super) async fn run(channel: Channel<Msg>, command: Command) {
    let (input, feed) = pipe(INPUT_BYTES);
    let (output, stdout) = pipe(OUTPUT_BYTES);
    let (errors, stderr) = pipe(OUTPUT_BYTES);
    let terminal = command.terminal;
    let (ended, status) = oneshot::channel();
    let stdio = Stdio {
        stdin: Source::Pipe(Arc::new(input)),
        stdout: Sink::Pipe(stdout),
        stderr: Sink::Pipe(stderr),
    };
    let words = match &command.line {
        Some(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        None => vec!["-sh".to_owned()],
    };
    // In the table before anything else happens, so that the site can stop it.
    let running = command.host.processes.start(1, words);
    let keyboard = terminal.then(|| Keyboard {
        host: Arc::clone(&command.host),
        shell: Arc::clone(&running.process),
    });
    let spawned = thread::Builder::new()
        .name("sim-command".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let process = Arc::clone(&running.process);
            let exit = execute(&command, &process, stdio);
            command
                .host
                .log(command.session, process.pid, None, Some(exit));
            // A host tells the status of what its list of processes lacks by then.
            drop(running);
            let _ = ended.send(exit);
        });
    let (read, write) = channel.split();
    if spawned.is_err() {
        let _ = write.exit_status(254).await;
        let _ = write.close().await;
        return;
    }
    let (left, gone) = watch::channel(false);
    let reading = tokio::spawn(take_input(read, feed, left, keyboard));
    answer(&write, output, errors, terminal, status, gone).await;
    reading.abort();
}

fn execute(command: &Command, process: &Arc<Process>, stdio: Stdio) -> i32 {
    let mut shell = Shell::login(&command.host, process, &command.user, stdio);
    match &command.line {
        Some(line) => {
            command
                .host
                .log(command.session, process.pid, Some(line), None);
            shell.run_line(line)
        }
        None => interact(&mut shell, command),
    }
}

/// What a terminal does with Ctrl-C: it interrupts what the shell runs.
struct Keyboard {
    host: Arc<SimHost>,
    shell: Arc<Process>,
}

impl Keyboard {
    /// What is left for whoever reads the line.
    fn typed(&self, data: &[u8]) -> Vec<u8> {
        let Some(at) = data.iter().rposition(|byte| *byte == 0x03) else {
            return data.to_vec();
        };
        let mut running = self.host.processes.all();
        running.retain(|process| process.parent == self.shell.pid);
        running.iter().for_each(|process| process.kill(2));
        let from = if running.is_empty() { at } else { at + 1 };
        data[from..].to_vec()
    }
}

/// Feeds what the client sends, until it says that this was all.
async fn take_input(
    mut read: ChannelReadHalf,
    feed: PipeWriter,
    left: watch::Sender<bool>,
    keyboard: Option<Keyboard>,
) {
    let mut feed = Some(feed);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let data = match &keyboard {
                    Some(keyboard) => keyboard.typed(&data),
                    None => data.to_vec(),
                };
                if let Some(pipe) = &feed
                    && !pipe.send(&data).await
                {
                    feed = None;
                }
            }
            ChannelMsg::Eof => feed = None,
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    drop(feed);
    left.send_replace(true);
    // Kept until `answer` has seen it.
    left.closed().await;
}

async fn answer(
    write: &ChannelWriteHalf<Msg>,
    output: PipeReader,
    errors: PipeReader,
    terminal: bool,
    status: oneshot::Receiver<i32>,
    mut gone: watch::Receiver<bool>,
) {
    let forward = async {
        let (mut more_output, mut more_errors) = (true, true);
        while more_output || more_errors {
            let sent = tokio::select! {
                chunk = output.next_chunk(), if more_output => match chunk {
                    Some(chunk) => write.data_bytes(cooked(chunk, terminal)).await,
                    None => { more_output = false; Ok(()) }
                },
                chunk = errors.next_chunk(), if more_errors => match chunk {
                    // A terminal has one stream for both.
                    Some(chunk) if terminal => write.data_bytes(cooked(chunk, terminal)).await,
                    Some(chunk) => write.extended_data_bytes(1, chunk).await,
                    None => { more_errors = false; Ok(()) }
                },
            };
            if sent.is_err() {
                return;
            }
        }
        let exit = status.await.unwrap_or(255);
        let _ = write.exit_status(u32::try_from(exit).unwrap_or(255)).await;
        let _ = write.eof().await;
        let _ = write.close().await;
    };
    tokio::select! {
        () = forward => {}
        _ = gone.wait_for(|gone| *gone) => {}
    }
    // Dropping the read ends here makes a command that still writes end with a broken pipe.
}

/// Line ends as a terminal shows them.
fn cooked(chunk: Vec<u8>, terminal: bool) -> Vec<u8> {
    if !terminal {
        return chunk;
    }
    let mut done = Vec::with_capacity(chunk.len() + 16);
    for byte in chunk {
        if byte == b'\n' {
            done.push(b'\r');
        }
        done.push(byte);
    }
    done
}

/// What an 8.0.2 host says at an interactive login.
const MOTD: &str = "The time and date of this login have been sent to the system logs.\n\n\
WARNING:\n   All commands run on the ESXi shell are logged and may be included in\n   \
support bundles. Do not provide passwords directly on the command line.\n   \
Most tools can prompt for secrets or accept them from standard input.\n\n\
VMware offers powerful and supported automation tools. Please\n\
see https://developer.vmware.com for details.\n\n\
The ESXi Shell can be disabled by an administrative user. See the\n\
vSphere Security documentation for more information.\n";

fn interact(shell: &mut Shell, command: &Command) -> i32 {
    let stdio = shell.stdio.clone();
    let process = Arc::clone(&shell.process);
    let killed = || process.killed().is_some();
    let say = |text: &str| stdio.stdout.write_all(text.as_bytes(), &killed).is_ok();
    let esxi = command.host.esxi.is_some();
    if esxi && command.terminal && !say(MOTD) {
        return 0;
    }
    loop {
        let folder = if shell.folder == "/" && esxi {
            "~"
        } else {
            shell.folder.as_str()
        };
        let prompt = if esxi {
            format!("[{}@{}:{folder}] ", command.user, command.host.hostname())
        } else {
            format!("{}@{}:{folder}# ", command.user, command.host.hostname())
        };
        if command.terminal && !say(&prompt) {
            return 0;
        }
        let Some(line) = read_line(&stdio, command.terminal, &killed) else {
            return shell.status;
        };
        if line.trim().is_empty() {
            continue;
        }
        command
            .host
            .log(command.session, process.pid, Some(&line), None);
        match shell.run_script(&line) {
            Ok(_) => {}
            Err(crate::sim::shell::Flow::Exit(status)) => return status,
            Err(crate::sim::shell::Flow::Killed(killed)) => return 128 + killed.0,
            Err(_) => {}
        }
    }
}

/// One line, echoed where a terminal is asked for; `None` at the end.
fn read_line(stdio: &Stdio, terminal: bool, killed: &dyn Fn() -> bool) -> Option<String> {
    let mut line: Vec<u8> = Vec::new();
    let mut byte = [0];
    loop {
        if stdio.stdin.read(&mut byte, killed).ok()? == 0 {
            return (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned());
        }
        let mut echo: &[u8] = &byte;
        match byte {
            [b'\r' | b'\n'] => {
                if terminal {
                    stdio.stdout.write_all(b"\n", killed).ok()?;
                }
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            [0x04] if terminal && line.is_empty() => return None,
            [0x03] if terminal => {
                stdio.stdout.write_all(b"^C\n", killed).ok()?;
                return Some(String::new());
            }
            [0x7f | 0x08] if terminal => {
                echo = if line.pop().is_some() {
                    b"\x08 \x08"
                } else {
                    b""
                };
            }
            _ => line.extend_from_slice(&byte),
        }
        if terminal {
            stdio.stdout.write_all(echo, killed).ok()?;
        }
    }
}
