//! Hosts that are broken or mean: each is survived in bounded time and memory, with an error that
//! says what happened and holds nothing that a terminal obeys.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use super::sshd::Sshd;
use super::*;

/// Limits that a silent host runs into soon.
fn short() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        handshake: Duration::from_secs(2),
        login: Duration::from_secs(2),
        file: Duration::from_secs(3),
        sync: Duration::from_secs(3),
        keepalive: Duration::from_secs(15),
    }
}

/// A server that does `deed` to whoever connects, until the client hangs up.
fn server(deed: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let deed = Arc::new(deed);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let deed = deed.clone();
            std::thread::spawn(move || deed(socket));
        }
    });
    port
}

fn wait_for_hangup(mut socket: TcpStream) {
    let _ = socket.read_to_end(&mut Vec::new());
}

fn pour(mut socket: TcpStream, bytes: &[u8]) {
    while socket.write_all(bytes).is_ok() {}
}

/// What a person reads of an error: short, and safe to show.
fn fit_to_show(error: &HostError) {
    let fault = error.fault(&name());
    for text in [error.to_string(), fault.to_string()] {
        assert!(text.len() < 4 << 10, "{} bytes: {text}", text.len());
        assert_eq!(sanitise::visible(&text), text, "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

async fn meet(port: u16) -> HostError {
    let began = Instant::now();
    let hosts = hosts_within(vec![config(port, vec![password("hunter22")])], short());
    let host = hosts.host(&name()).unwrap();
    let error = host.read(Lane::Control, &sh("true")).await.unwrap_err();
    fit_to_show(&error);
    // Twice the handshake (the host's offer may be asked for once more) and room for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(60), "{error}");
    error
}

#[tokio::test]
async fn a_server_that_is_silent_ends_at_the_deadline() {
    let error = meet(server(wait_for_hangup)).await;
    assert!(matches!(error, HostError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn floods_before_and_instead_of_a_greeting_end() {
    let floods: [&'static [u8]; 5] = [
        b"x",
        b"Welcome!\x1b[2J\r\n",
        b"\0\0\0\0",
        b"SSH-2.0-\x1b]0;owned\x07",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\r\n",
    ];
    for flood in floods {
        let bytes = flood.repeat(4096);
        meet(server(move |socket| pour(socket, &bytes))).await;
    }
}

#[tokio::test]
async fn packets_of_absurd_lengths_end() {
    for length in [u32::MAX, 0x7fff_ffff, 0, 5, 1 << 28] {
        meet(server(move |mut socket| {
            let _ = socket.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
            let _ = socket.write_all(&length.to_be_bytes());
            pour(socket, &[0; 4096]);
        }))
        .await;
    }
}

#[tokio::test]
async fn a_greeting_that_never_ends_its_line_ends() {
    meet(server(|mut socket| {
        let _ = socket.write_all(b"SSH-2.0-");
        while socket.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }))
    .await;
}

/// What came of a command's output, as the screen and the spool get it.
fn tap(hosts: &Hosts) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let into = seen.clone();
    hosts.set_output_sink(Arc::new(move |event: OutputEvent| {
        if let LiveOutput::Line { text, .. } | LiveOutput::Progress { text, .. } = event.what {
            into.lock().unwrap().push(text);
        }
    }));
    seen
}

#[tokio::test]
async fn endless_standard_error_and_lines_without_an_end_are_cut_off() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(sshd.config());
    let seen = tap(&hosts);
    for script in [
        "cat /dev/zero >&2",
        "tr '\\0' x < /dev/zero",
        "yes 'a line that is repeated' >&2",
    ] {
        let endless = host
            .read(Lane::Control, &sh(script).max_output(1000))
            .await
            .unwrap_err();
        assert!(
            matches!(endless, HostError::TooMuchOutput(_)),
            "{endless:?}"
        );
        fit_to_show(&endless);
    }
    let longest = seen.lock().unwrap().iter().map(String::len).max();
    assert!(longest <= Some(16 << 10), "{longest:?}");
}

#[tokio::test]
async fn output_that_drips_for_ever_ends_at_the_deadline() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let drip = sh("while :; do echo .; sleep 0.1; done").deadline(Duration::from_secs(2));
    let began = Instant::now();
    let error = host.read(Lane::Control, &drip).await.unwrap_err();
    assert!(matches!(error, HostError::TimedOut { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn nothing_that_controls_reaches_the_screen() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut configs = sshd.config();
    configs.auth.push(password("hunter22"));
    let (hosts, host) = one(configs);
    let seen = tap(&hosts);
    let script = r#"printf 'a\033[2Jb\033]0;x\007c\302\2332Jd\342\200\256e\377f\nhun'; sleep 0.2; printf 'ter22\nhunter\033[0m22\n'"#;
    let output = host.read(Lane::Control, &sh(script)).await.unwrap();
    assert!(
        output.text().contains("hunter22"),
        "the driver sees what was sent"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(*seen, ["abc2Jde\u{fffd}f", "***", "***"]);
}

/// A host whose SFTP server answers the first packet with `reply`, for ever.
async fn sftp_answer(reply: &str) -> HostError {
    let tools = tempfile::tempdir().unwrap();
    let server = tools.path().join("sftp");
    let script = format!("#!/bin/sh\nhead -c 9 > /dev/null\n{reply}\nexec cat > /dev/null\n");
    std::fs::write(&server, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&server, mode).unwrap();
    let Some(sshd) = Sshd::start(&format!("Subsystem sftp {}", server.display())) else {
        return HostError::Cancelled;
    };
    let hosts = hosts_within(vec![sshd.config()], short());
    let host = hosts.host(&name()).unwrap();
    let began = Instant::now();
    let opened = host
        .open_file(Lane::Transfer(0), "/etc/hostname", FileAccess::Read)
        .await;
    let error = match opened {
        Err(error) => error,
        Ok(mut file) => match file.read_at(0, 1 << 20).await {
            Err(error) => error,
            // It fell back to dd, which this host has.
            Ok(_) => return HostError::Cancelled,
        },
    };
    assert!(began.elapsed() < Duration::from_secs(60), "{error}");
    fit_to_show(&error);
    error
}

#[tokio::test]
async fn sftp_replies_of_absurd_lengths_are_survived() {
    let version = r"printf '\000\000\000\005\002\000\000\000\003'";
    for reply in [
        // A packet of 4 GiB, of nothing, and one that never comes.
        r"printf '\377\377\377\377\002\000\000\000\003'; cat /dev/zero",
        r"printf '\000\000\000\000\002'",
        "sleep 30",
        // A handle of 2 GiB; an endless stream after an honest greeting.
        &format!(
            r"{version}; head -c 20 > /dev/null; printf '\000\000\000\011\146\000\000\000\000\177\377\377\377'"
        ),
        &format!("{version}; cat /dev/zero"),
        &format!("{version}; cat /dev/urandom"),
    ] {
        sftp_answer(reply).await;
    }
}
