//! Hosts behind other hosts: OpenSSH's sshd on both ends, on loopback.

use super::proxy::Proxy;
use super::sshd::{Sshd, keygen};
use super::*;

async fn hello(host: &Host) -> Result<String, HostError> {
    host.read(Lane::Control, &sh("echo hello"))
        .await
        .map(|output| output.text())
}

/// A hop of that name which listens at `port`.
fn hop(sshd: &Sshd, name: &str, port: u16) -> HostConfig {
    let mut config = sshd.config_via(port);
    config.name = name.into();
    config
}

/// `target` from behind `hop`.
fn behind(target: &Sshd, hop: HostConfig) -> HostConfig {
    let mut config = target.config();
    config.via = Via::Hop(Box::new(hop));
    config
}

fn log(sshd: &Sshd) -> String {
    std::fs::read_to_string(sshd.path("log")).unwrap()
}

/// A pair of servers, the first of which is the hop and tells all that it does.
fn pair() -> Option<(Sshd, Sshd)> {
    Some((Sshd::start("LogLevel DEBUG1")?, Sshd::start("")?))
}

#[tokio::test]
async fn every_lane_and_bulk_data_go_through_one_session_of_the_hop() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let proxy = Proxy::to(bastion.port);
    let mut config = behind(&target, hop(&bastion, "bastion", proxy.port));
    // As only the hop knows it.
    config.address.host = "localhost".into();
    let (hosts, host) = one(config);
    for lane in [Lane::Control, Lane::Telemetry, Lane::Answer] {
        let output = host.read(lane, &sh("echo $SSH_CONNECTION")).await.unwrap();
        assert!(output.text().starts_with("127.0.0.1 "), "{}", output.text());
    }
    let path = target.path("disk");
    let data: Vec<u8> = (0..5 << 20).map(|n: u32| (n / 7 % 251) as u8).collect();
    let write = FileAccess::Write(intent());
    let mut file = host
        .open_file(Lane::Transfer(0), path.to_str().unwrap(), write)
        .await
        .unwrap();
    file.write_at(0, data.clone()).await.unwrap();
    file.finish().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == data);
    let back = host
        .read(
            Lane::Control,
            &sh(&format!("head -c 4000000 '{}'", path.display())),
        )
        .await
        .unwrap();
    assert!(back.stdout == data[..4_000_000]);
    // One login that finds out how, and the one that carries everything.
    assert_eq!(proxy.accepted(), 2);
    hosts.close().await;
    let log = log(&bastion);
    assert!(log.contains("direct-tcpip"), "{log}");
    assert!(
        !log.contains("Starting session"),
        "a hop is sent no command: {log}"
    );
    assert!(
        !log.contains("server_input_channel_req: channel 0 request exec"),
        "{log}"
    );
}

#[tokio::test]
async fn two_hops_in_a_row_and_two_hosts_behind_them() {
    let Some((outer, inner)) = pair() else { return };
    let Some(target) = Sshd::start("") else {
        return;
    };
    let (to_outer, to_inner) = (Proxy::to(outer.port), Proxy::to(inner.port));
    let mut far = hop(&inner, "inner", to_inner.port);
    far.via = Via::Hop(Box::new(hop(&outer, "outer", to_outer.port)));
    let one = behind(&target, far);
    assert_eq!(one.route(), "outer > inner > lee1");
    let mut two = one.clone();
    two.name = "lee2".into();
    let hosts = hosts(vec![one, two]);
    for name in ["lee1", "lee2"] {
        let host = hosts.host(&name.into()).unwrap();
        assert_eq!(hello(&host).await.unwrap(), "hello\n");
    }
    assert_eq!((to_outer.accepted(), to_inner.accepted()), (2, 2));
}

#[tokio::test]
async fn a_hops_changed_key_is_refused_with_both_fingerprints_and_trusted_by_name() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let mut changed = hop(&bastion, "bastion", bastion.port);
    let pinned = format!("SHA256:{}", "A".repeat(43));
    changed.host_keys = vec![pinned.clone()];
    let (hosts, host) = one(behind(&target, changed));
    let error = hello(&host).await.unwrap_err();
    let name = name();
    let (by, cause) = error.origin(&name);
    assert_eq!(by.as_str(), "bastion");
    let HostError::HostKeyChanged {
        fingerprint, known, ..
    } = cause
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (fingerprint, known),
        (&bastion.fingerprint("ed25519"), &vec![pinned])
    );
    let fault = error.fault(&name);
    assert!(
        fault
            .what
            .starts_with("through bastion: the host key changed"),
        "{fault:?}"
    );
    assert!(!log(&bastion).contains("Accepted publickey"));
    // What was read on the target's console says nothing about the hop.
    hosts.trust_for_run(&name, fingerprint);
    assert_eq!(hello(&host).await.unwrap_err(), error);
    hosts.trust_for_run(&"bastion".into(), fingerprint);
    assert_eq!(hello(&host).await.unwrap(), "hello\n");
}

#[tokio::test]
async fn a_key_trusted_for_the_hop_is_not_trusted_for_the_host_behind_it() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let mut config = behind(&target, hop(&bastion, "bastion", bastion.port));
    config.host_keys.clear();
    let (hosts, host) = one(config);
    hosts.trust_for_run(&"bastion".into(), &target.fingerprint("ed25519"));
    let error = hello(&host).await.unwrap_err();
    assert!(
        matches!(error, HostError::HostKeyUnknown { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hop_that_lets_nobody_in_is_asked_once() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let proxy = Proxy::to(bastion.port);
    let wrong = bastion.path("wrong");
    keygen("ed25519", &wrong, "");
    let mut locked = hop(&bastion, "bastion", proxy.port);
    locked.auth = vec![Credential::Key(wrong.clone())];
    let (hosts, host) = one(behind(&target, locked));
    let error = hello(&host).await.unwrap_err();
    for lane in [Lane::Control, Lane::Telemetry, Lane::Transfer(0)] {
        assert_eq!(host.read(lane, &sh("true")).await.unwrap_err(), error);
    }
    assert_eq!(proxy.accepted(), 1);
    assert!(!error.passing());
    let fault = error.fault(&name());
    assert!(
        fault
            .state
            .contains("lee1 was not asked, it is behind bastion"),
        "{fault:?}"
    );
    std::fs::copy(wrong.with_extension("pub"), bastion.path("authorized_keys")).unwrap();
    hosts.retry_login(&name());
    assert_eq!(hello(&host).await.unwrap(), "hello\n");
}

#[tokio::test]
async fn a_password_of_the_host_is_never_offered_to_the_hop() {
    use super::toy::Toy;
    let (bastion, target) = (Toy::default().start().await, Toy::default().start().await);
    let mut hop = bastion.config("bastion", "right");
    hop.auth = vec![];
    hop.agent = AgentSocket::Nowhere;
    let mut config = target.config("lee1", "right");
    config.via = Via::Hop(Box::new(hop));
    let (_hosts, host) = one(config);
    let error = hello(&host).await.unwrap_err();
    assert!(
        matches!(error.origin(&name()).1, HostError::LoginRefused { .. }),
        "{error:?}"
    );
    assert_eq!((bastion.tried(), target.tried()), (vec![], vec![]));
}

#[tokio::test]
async fn forwarding_that_is_forbidden_and_a_target_that_is_silent_are_told_apart() {
    let Some(strict) = Sshd::start("AllowTcpForwarding no") else {
        return;
    };
    let Some((open, target)) = pair() else { return };
    let forbidden = one(behind(&target, hop(&strict, "strict", strict.port)));
    let error = hello(&forbidden.1).await.unwrap_err();
    assert!(
        matches!(&error, HostError::NotForwarded { hop, .. } if hop.as_str() == "strict"),
        "{error:?}"
    );
    assert!(!error.passing() && error.fault(&name()).next.contains("AllowTcpForwarding"));

    let mut gone = behind(&target, hop(&open, "open", open.port));
    let (_refuses, port) = refusing_port();
    gone.address.port = port;
    let error = hello(&one(gone).1).await.unwrap_err();
    assert!(
        matches!(&error, HostError::UnreachableFromHop { hop, .. } if hop.as_str() == "open"),
        "{error:?}"
    );
    assert!(error.passing());

    let away = behind(&target, hop(&open, "away", port));
    let error = hello(&one(away).1).await.unwrap_err();
    let name = name();
    let (by, cause) = error.origin(&name);
    assert!(
        by.as_str() == "away" && matches!(cause, HostError::Refused { .. }),
        "{error:?}"
    );
    assert!(error.passing());
}

#[tokio::test]
async fn a_hop_that_dies_in_the_middle_of_a_transfer_costs_no_more_than_a_cut_link() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let proxy = Proxy::to(bastion.port);
    let (_hosts, host) = one(behind(&target, hop(&bastion, "bastion", proxy.port)));
    let path = target.path("disk");
    let open = || {
        let write = FileAccess::Write(intent());
        host.open_file(Lane::Transfer(0), path.to_str().unwrap(), write)
    };
    let mut file = open().await.unwrap();
    file.write_at(0, vec![1; 1 << 20]).await.unwrap();
    proxy.cut();
    let mut result = Ok(());
    for piece in 1..8 {
        result = file.write_at(piece << 20, vec![1; 1 << 20]).await;
        if result.is_err() {
            break;
        }
    }
    let result = match result {
        Ok(()) => file.finish().await,
        failed => failed,
    };
    assert!(result.unwrap_err().cause().passing());
    assert_eq!(hello(&host).await.unwrap(), "hello\n");
    let mut file = open().await.unwrap();
    file.write_at(0, vec![2; 1 << 20]).await.unwrap();
    file.finish().await.unwrap();
    assert!(
        std::fs::read(&path).unwrap()[..1 << 20]
            .iter()
            .all(|byte| *byte == 2)
    );
}

#[tokio::test]
async fn a_lane_that_does_not_read_holds_up_no_other() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let (_hosts, host) = one(behind(&target, hop(&bastion, "bastion", bastion.port)));
    let path = target.path("big");
    std::fs::write(&path, vec![7; 24 << 20]).unwrap();
    let mut file = host
        .open_file(Lane::Transfer(0), path.to_str().unwrap(), FileAccess::Read)
        .await
        .unwrap();
    // Asked for and left lying.
    let _ = file.read_at(0, 1 << 20).await.unwrap();
    let zeros = sh("head -c 3000000 /dev/zero");
    let big = host.read(Lane::Telemetry, &zeros);
    let (big, small) = tokio::join!(big, hello(&host));
    assert_eq!(
        (big.unwrap().stdout.len(), small.unwrap().as_str()),
        (3_000_000, "hello\n")
    );
}

#[tokio::test]
async fn practice_goes_through_no_hop_and_proxy_commands_are_not_run() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let proxy = Proxy::to(bastion.port);
    let config = behind(&target, hop(&bastion, "bastion", proxy.port));
    let practice = Policy::for_mode(Mode::Practice);
    let hosts = Hosts::with_settings(vec![config], practice, Redactor::new(), None, limits());
    let refused = hello(&hosts.host(&name()).unwrap()).await.unwrap_err();
    assert!(
        matches!(refused, HostError::PolicyRefused(_)),
        "{refused:?}"
    );
    assert_eq!(proxy.accepted(), 0);

    let mut config = target.config();
    config.via = Via::NoWay("~/.ssh/config:3 gives lee1 a ProxyCommand".to_owned());
    let refused = hello(&one(config).1).await.unwrap_err();
    assert!(
        refused.fault(&name()).next.contains("jump: [bastion]"),
        "{refused:?}"
    );
}

/// Megabytes a second to and from a host, straight and through a hop: `cargo test --release --
/// --ignored --nocapture figures_of_a_hop`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures, not a check"]
async fn figures_of_a_hop() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let (count, piece) = (256, 1 << 20);
    for (way, config) in [
        ("straight", target.config()),
        (
            "one hop",
            behind(&target, hop(&bastion, "bastion", bastion.port)),
        ),
    ] {
        let (_hosts, host) = one(config);
        hello(&host).await.unwrap();
        let path = target.path("figures");
        let path = path.to_str().unwrap();
        let write = FileAccess::Write(intent());
        let mut file = host
            .open_file(Lane::Transfer(0), path, write)
            .await
            .unwrap();
        let started = std::time::Instant::now();
        for index in 0..count {
            file.write_at(index * piece as u64, vec![5; piece])
                .await
                .unwrap();
        }
        file.finish().await.unwrap();
        let up = started.elapsed();
        let mut file = host
            .open_file(Lane::Transfer(0), path, FileAccess::Read)
            .await
            .unwrap();
        let started = std::time::Instant::now();
        for index in 0..count {
            file.read_at(index * piece as u64, piece).await.unwrap();
        }
        let down = started.elapsed();
        let rate = |took: Duration| count as f64 / took.as_secs_f64();
        eprintln!(
            "{way}: {:.0} MiB/s up, {:.0} MiB/s down",
            rate(up),
            rate(down)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_shell_goes_through_the_hop_too() {
    let Some((bastion, target)) = pair() else {
        return;
    };
    let mut config = behind(&target, hop(&bastion, "bastion", bastion.port));
    config.address.host = "localhost".into();
    let (_hosts, host) = one(config);
    let window = Window {
        columns: 80,
        rows: 24,
    };
    let mut shell = host.shell("vt100", window).await.unwrap();
    shell.send(b"echo through $((40+2)); exit\r".to_vec());
    let mut all = String::new();
    while let Some(bytes) = shell.printed().await {
        all.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(all.contains("through 42"), "{all:?}");
    assert_eq!(shell.ended().await, Ok(0));
}
