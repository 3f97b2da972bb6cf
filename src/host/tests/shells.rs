//! A person's shell, with OpenSSH's sshd: a real terminal there, of the right size.

use super::sshd::Sshd;
use super::*;

const WINDOW: Window = Window {
    columns: 77,
    rows: 22,
};

/// Reads on until `what` was printed.
async fn until(shell: &mut Shell, what: &str) -> String {
    let mut all = String::new();
    let reading = async {
        while !all.contains(what) {
            match shell.printed().await {
                Some(bytes) => all.push_str(&String::from_utf8_lossy(&bytes)),
                None => break,
            }
        }
    };
    let read = tokio::time::timeout(SOON, reading).await;
    assert!(
        read.is_ok() && all.contains(what),
        "{what:?} not in {all:?}"
    );
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_has_a_terminal_of_the_right_kind_and_size_and_ends_with_its_status() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let mut shell = host.shell("vt220", WINDOW).await.unwrap();
    shell.send(b"stty size; echo kind=$TERM\r".to_vec());
    let printed = until(&mut shell, "kind=vt220").await;
    assert!(printed.contains("22 77"), "{printed:?}");
    let smaller = Window {
        columns: 60,
        rows: 20,
    };
    shell.resize(smaller);
    shell.send(b"sleep 0.2; stty size\r".to_vec());
    until(&mut shell, "20 60").await;
    // The run's own session works beside it.
    let beside = host.read(Lane::Control, &sh("echo beside")).await.unwrap();
    assert_eq!(beside.text(), "beside\n");
    shell.send(b"exit 3\r".to_vec());
    while shell.printed().await.is_some() {}
    assert_eq!(shell.ended().await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_comes_whole_while_the_terminal_is_slow() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let mut shell = host.shell("vt100", WINDOW).await.unwrap();
    shell.send(b"stty -echo; seq 1 200000; echo all; exit\r".to_vec());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = until(&mut shell, "\nall\r\n").await;
    assert!(all.contains("\r\n199999\r\n200000\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_is_let_go_of_is_gone_on_the_host() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let mut shell = host.shell("vt100", WINDOW).await.unwrap();
    let mark = sshd.path("shell.pid");
    shell.send(format!("echo $$ > {}; echo wrote $((1+1))\r", mark.display()).into_bytes());
    until(&mut shell, "wrote 2").await;
    let pid = std::fs::read_to_string(mark).unwrap();
    drop(shell);
    let process = std::path::Path::new("/proc").join(pid.trim());
    let gone = async {
        while process.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_passes_the_policy_and_the_host_key_as_every_session_does() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut protected = sshd.config();
    protected.role = SiteRole::Protected;
    let policy = Policy::for_mode(Mode::Drill);
    let hosts = Hosts::with_settings(vec![protected], policy, Redactor::new(), None, limits());
    let host = hosts.host(&name()).unwrap();
    let refused = host.shell("vt100", WINDOW).await;
    assert!(matches!(refused, Err(HostError::PolicyRefused(_))));
    let mut other = sshd.config();
    other.host_keys = vec![format!("SHA256:{}", "A".repeat(43))];
    let (_hosts, host) = one(other);
    assert!(host.shell("vt100", WINDOW).await.is_err());
}
