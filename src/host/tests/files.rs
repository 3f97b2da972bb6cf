//! Files over SFTP, and through `dd` where there is no SFTP.

use super::proxy::Proxy;
use super::sshd::Sshd;
use super::*;

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 7 % 253) as u8).collect()
}

async fn open(host: &Host, path: &std::path::Path, writes: bool) -> Result<RemoteFile, HostError> {
    let access = if writes {
        FileAccess::Write(intent())
    } else {
        FileAccess::Read
    };
    host.open_file(Lane::Transfer(0), path.to_str().unwrap(), access)
        .await
}

/// All that the layers above do with files.
async fn exercise(sshd: &Sshd) {
    let (_hosts, host) = one(sshd.config());
    let path = sshd.path("a disk, 'flat' [1].vmdk");
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(0, vec![1; 3 << 20]).await.unwrap();
    file.write_at(3 << 20, vec![2; 100]).await.unwrap();
    file.write_at(10 << 20, b"end".to_vec()).await.unwrap();
    file.write_at(5, b"late".to_vec()).await.unwrap();
    file.finish().await.unwrap();
    let written = std::fs::read(&path).unwrap();
    assert_eq!(written.len(), (10 << 20) + 3);
    assert_eq!(&written[..11], b"\x01\x01\x01\x01\x01late\x01\x01");
    assert_eq!(
        &written[(3 << 20) - 1..(3 << 20) + 101],
        [&[1][..], &[2; 100], &[0]].concat()
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let mut file = open(&host, &path, false).await.unwrap();
    assert_eq!(file.read_at((10 << 20) - 1, 100).await.unwrap(), b"\0end");
    assert_eq!(file.read_at(4, 3).await.unwrap(), b"\x01la");
    assert_eq!(file.read_at(7, 3).await.unwrap(), b"te\x01");
    assert!(file.read_at(0, 12 << 20).await.unwrap() == written);
    assert_eq!(file.read_at(11 << 20, 5).await.unwrap(), b"");
    file.finish().await.unwrap();

    // Opened for writing again, it keeps what it has.
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(0, b"new".to_vec()).await.unwrap();
    file.finish().await.unwrap();
    assert_eq!(&std::fs::read(&path).unwrap()[..5], b"new\x01\x01");

    let missing = open(&host, &sshd.path("missing"), false).await.unwrap_err();
    assert!(
        matches!(&missing, HostError::File { path, .. } if path.ends_with("missing")),
        "{missing}"
    );
    let nowhere = open(&host, &sshd.path("no/such/folder"), true)
        .await
        .unwrap_err();
    assert!(matches!(&nowhere, HostError::File { .. }), "{nowhere}");
    // A refusal costs no session.
    assert!(host.read(Lane::Transfer(0), &sh("true")).await.is_ok());
}

#[tokio::test]
async fn files_over_sftp() {
    let Some(sshd) = Sshd::start("") else { return };
    exercise(&sshd).await;
}

#[tokio::test]
async fn files_where_the_subsystem_is_not_configured() {
    let Some(sshd) = Sshd::start("Subsystem none /bin/true") else {
        return;
    };
    exercise(&sshd).await;
}

#[tokio::test]
async fn files_where_the_sftp_server_is_missing() {
    let Some(sshd) = Sshd::start("Subsystem sftp /no/such/sftp-server") else {
        return;
    };
    exercise(&sshd).await;
}

#[tokio::test]
async fn files_on_a_host_that_has_next_to_nothing() {
    let tools = tempfile::tempdir().unwrap();
    for tool in ["sh", "dd", "ls", "true"] {
        std::os::unix::fs::symlink(format!("/bin/{tool}"), tools.path().join(tool)).unwrap();
    }
    let path = tools.path().display();
    let few = format!("Subsystem none /bin/true\nSetEnv PATH={path}");
    let Some(sshd) = Sshd::start(&few) else {
        return;
    };
    exercise(&sshd).await;
}

#[tokio::test]
async fn a_transfer_survives_new_keys_both_ways() {
    for (extra, bulk_session) in [
        ("RekeyLimit 512K", true),
        ("RekeyLimit 512K", false),
        ("RekeyLimit 512K\nSubsystem none /bin/true", true),
    ] {
        let Some(sshd) = Sshd::start(extra) else {
            return;
        };
        let (_hosts, host) = one(HostConfig {
            bulk_session,
            ..sshd.config()
        });
        let data = pattern(3 << 20);
        let path = sshd.path("big");
        let mut file = open(&host, &path, true).await.unwrap();
        for (index, piece) in data.chunks(1 << 20).enumerate() {
            file.write_at((index << 20) as u64, piece.to_vec())
                .await
                .unwrap();
        }
        file.finish().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == data);
        // New keys come at another place in each round.
        for round in 0..3 {
            let mut file = open(&host, &path, false).await.unwrap();
            for (index, piece) in data.chunks(300_000).enumerate() {
                let read = file.read_at(index as u64 * 300_000, 300_000).await.unwrap();
                assert!(read == piece, "round {round}, piece {index}");
                // Meanwhile the host fills the window.
                tokio::time::sleep(Duration::from_millis(10 * round)).await;
            }
        }
    }
}

#[tokio::test]
async fn two_files_share_a_session_beside_that_of_commands() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let data = pattern(2 << 20);
    let (one, two) = (sshd.path("one"), sshd.path("two"));
    let (mut first, mut second) = (
        open(&host, &one, true).await.unwrap(),
        open(&host, &two, true).await.unwrap(),
    );
    for (index, piece) in data.chunks(1 << 18).enumerate() {
        first
            .write_at((index << 18) as u64, piece.to_vec())
            .await
            .unwrap();
        second
            .write_at((index << 18) as u64, piece.to_vec())
            .await
            .unwrap();
        let count = sh("wc -c <\"$0\"").deadline(Duration::from_secs(60));
        assert!(host.read(Lane::Transfer(0), &count).await.is_ok());
    }
    first.finish().await.unwrap();
    second.finish().await.unwrap();
    assert!(std::fs::read(one).unwrap() == data && std::fs::read(two).unwrap() == data);
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_file_is_opened_beside_itself_over_a_channel_or_a_sixth_session() {
    for (bulk_session, further, sessions) in [(true, 4, 2), (false, 1, 2)] {
        let Some(sshd) = Sshd::start("") else { return };
        let proxy = Proxy::to(sshd.port);
        let (_hosts, host) = one(HostConfig {
            bulk_session,
            ..sshd.config_via(proxy.port)
        });
        let path = sshd.path("disk");
        let data = pattern(4 << 20);
        let file = open(&host, &path, true).await.unwrap();
        let opened = file.opened();
        let mut ways = vec![file];
        for _ in 0..further {
            ways.push(host.open_beside(&opened).await.unwrap());
        }
        if bulk_session {
            assert!(host.open_beside(&opened).await.is_none(), "no fifth");
        }
        let count = ways.len();
        for (index, piece) in data.chunks(1 << 18).enumerate() {
            let at = (index << 18) as u64;
            ways[index % count]
                .write_at(at, piece.to_vec())
                .await
                .unwrap();
        }
        for file in ways {
            file.finish().await.unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == data);
        assert_eq!(proxy.accepted(), sessions);
        if bulk_session {
            assert!(host.open_beside(&opened).await.is_some(), "places are free");
        }
    }
}

/// Only a session that was refused would be refused again.
#[tokio::test]
async fn a_file_that_cannot_be_opened_beside_itself_costs_the_next_one_no_way() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(HostConfig {
        bulk_session: false,
        ..sshd.config()
    });
    let (folder, away) = (sshd.path("vm"), sshd.path("away"));
    std::fs::create_dir(&folder).unwrap();
    let file = open(&host, &folder.join("disk"), true).await.unwrap();
    std::fs::rename(&folder, &away).unwrap();
    assert!(host.open_beside(&file.opened()).await.is_none());
    std::fs::rename(&away, &folder).unwrap();
    assert!(host.open_beside(&file.opened()).await.is_some());
}

#[tokio::test]
async fn the_session_for_bulk_data_judges_the_host_key_itself() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let known = sshd.path("known");
    std::fs::write(&known, sshd.known_hosts_line("ed25519", proxy.port)).unwrap();
    let mut config = sshd.config_via(proxy.port);
    config.host_keys.clear();
    config.known_hosts = vec![known.clone()];
    let (hosts, host) = one(config);
    assert!(host.read(Lane::Control, &sh("true")).await.is_ok());
    std::fs::write(&known, "").unwrap();
    let path = sshd.path("disk");
    let refused = open(&host, &path, true).await.unwrap_err();
    assert!(
        matches!(refused, HostError::HostKeyUnknown { .. }),
        "{refused}"
    );
    assert!(!path.exists(), "nothing was written");
    hosts.trust_for_run(&name(), &sshd.fingerprint("ed25519"));
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(5, b"abc".to_vec()).await.unwrap();
    file.finish().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"\0\0\0\0\0abc");
    assert_eq!(proxy.accepted(), 3, "commands, the refused one, bulk data");
}

#[tokio::test]
async fn files_of_other_lanes_go_over_their_own_session() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let path = sshd.path("disk");
    let open = |access| host.open_file(Lane::Control, path.to_str().unwrap(), access);
    let mut file = open(FileAccess::Write(intent())).await.unwrap();
    let data = pattern(3 << 20);
    file.write_at(0, data.clone()).await.unwrap();
    file.finish().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == data);
    let mut file = open(FileAccess::Read).await.unwrap();
    let read = file.read_at(1000, 1 << 20).await.unwrap();
    assert!(read == data[1000..1000 + (1 << 20)]);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn bulk_data_shares_the_session_of_its_commands_where_the_runbook_says_so() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(HostConfig {
        bulk_session: false,
        ..sshd.config_via(proxy.port)
    });
    host.get_ready(Lane::Transfer(0)).await;
    let path = sshd.path("disk");
    let data = pattern(3 << 20);
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(0, data.clone()).await.unwrap();
    file.finish().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == data);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn the_sessions_of_a_transfer_are_there_before_it_begins() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    host.get_ready(Lane::Transfer(0)).await;
    assert_eq!(proxy.accepted(), 2, "commands and bulk data");
    let file = open(&host, &sshd.path("disk"), true).await.unwrap();
    assert!(
        file.confirmed(0).is_some(),
        "over the session for bulk data"
    );
    host.get_ready(Lane::Transfer(0)).await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn closing_leaves_no_session_that_is_being_opened() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (hosts, host) = one(sshd.config_via(proxy.port));
    connected(&host, Lane::Transfer(0)).await;
    let at_rest = Arc::strong_count(host.shared());
    proxy.hang();
    let opening = tokio::spawn({
        let host = host.clone();
        async move { host.get_ready(Lane::Transfer(0)).await }
    });
    while proxy.accepted() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its task ends with its step; the handshake goes on a thread of its own.
    opening.abort();
    hosts.close().await;
    assert!(Arc::strong_count(host.shared()) <= at_rest);
}

/// A host that is connected, and that waits for no other session for long.
async fn hasty(config: HostConfig) -> (Hosts, Arc<Host>) {
    let limits = Limits {
        handshake: Duration::from_millis(500),
        ..limits()
    };
    let hosts = hosts_within(vec![config], limits);
    let host = hosts.host(&name()).unwrap();
    connected(&host, Lane::Transfer(0)).await;
    (hosts, host)
}

#[tokio::test]
async fn where_no_further_session_comes_about_the_one_for_commands_carries_the_data() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = hasty(sshd.config_via(proxy.port)).await;
    proxy.fill();
    let path = sshd.path("disk");
    let mut tries = 0;
    let mut file = loop {
        match open(&host, &path, true).await {
            Ok(file) => break file,
            Err(why) => assert!(why.passing(), "{why}"),
        }
        tries += 1;
        assert!(tries < 4, "it is tried without end");
    };
    file.write_at(0, pattern(1 << 20)).await.unwrap();
    file.finish().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == pattern(1 << 20));
}

#[tokio::test]
async fn a_host_that_is_away_for_a_while_gets_its_session_for_bulk_data_again() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = hasty(sshd.config_via(proxy.port)).await;
    proxy.fill();
    proxy.cut();
    for _ in 0..4 {
        assert!(open(&host, &sshd.path("disk"), true).await.is_err());
    }
    proxy.drain();
    let end = Instant::now() + Duration::from_secs(60);
    let over_its_own = async || {
        let file = open(&host, &sshd.path("disk"), true).await;
        file.is_ok_and(|file| file.confirmed(0).is_some())
    };
    while !over_its_own().await {
        assert!(Instant::now() < end, "not over its own session");
    }
}

#[tokio::test]
async fn a_login_that_a_person_has_tried_again_is_proven_again_for_bulk_data() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(sshd.config());
    assert!(host.read(Lane::Transfer(0), &sh("true")).await.is_ok());
    hosts.retry_login(&name());
    let file = open(&host, &sshd.path("disk"), true).await.unwrap();
    assert!(file.confirmed(0).is_some(), "not over its own session");
    hosts.close().await;
    let closed = host.shared().bulk.get(host.shared()).await;
    assert_eq!(closed.err(), Some(HostError::Closed));
}

#[tokio::test]
async fn a_cut_connection_is_a_lost_write_and_the_file_goes_on_when_opened_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let path = sshd.path("disk");
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(0, vec![1; 1 << 20]).await.unwrap();
    proxy.cut();
    let mut result = Ok(());
    for piece in 1..5 {
        result = file.write_at(piece << 20, vec![1; 1 << 20]).await;
        if result.is_err() {
            break;
        }
    }
    let error = result.unwrap_err();
    assert!(error.cause().passing(), "{error}");
    assert!(file.finish().await.is_err());
    let mut file = open(&host, &path, true).await.unwrap();
    file.write_at(0, vec![2; 1 << 20]).await.unwrap();
    file.finish().await.unwrap();
    assert!(
        std::fs::read(&path).unwrap()[..1 << 20]
            .iter()
            .all(|byte| *byte == 2)
    );
}

#[tokio::test]
async fn a_full_disk_is_the_hosts_answer_not_a_lost_connection() {
    let Some(sftp) = Sshd::start("") else { return };
    let Some(dd) = Sshd::start("Subsystem none /bin/true") else {
        return;
    };
    for sshd in [&sftp, &dd] {
        let (_hosts, host) = one(sshd.config());
        let mut file = open(&host, std::path::Path::new("/dev/full"), true)
            .await
            .unwrap();
        let written = file.write_at(0, vec![1; 1 << 20]).await;
        let finished = file.finish().await;
        let error = written.and(finished).unwrap_err();
        assert!(
            matches!(error, WriteError::Failed(HostError::File { .. })),
            "{error:?}"
        );
        assert!(host.read(Lane::Transfer(0), &sh("true")).await.is_ok());
    }
}

/// One of the things that sessions do, all of which move some megabytes.
async fn work(host: &Host, path: &std::path::Path, kind: u64) -> Result<(), HostError> {
    let lost = |error: WriteError| error.cause().clone();
    match kind {
        0 => {
            let script = "head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2";
            host.read(Lane::Control, &sh(script).stdin(vec![1; 300_000]))
                .await?;
        }
        1 => {
            let mut file = open(host, path, true).await?;
            for piece in 0..4 {
                file.write_at(piece * 3_000_000, vec![3; 1 << 20])
                    .await
                    .map_err(lost)?;
            }
            file.finish().await.map_err(lost)?;
        }
        _ => {
            let mut file = open(host, path, false).await?;
            for piece in 0..4 {
                file.read_at(piece * 2_000_000, 1 << 20).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn connections_cut_at_any_moment_end_soon_in_an_error_that_may_pass() {
    for extra in ["RekeyLimit 1M", "Subsystem none /bin/true"] {
        let Some(sshd) = Sshd::start(extra) else {
            return;
        };
        let proxy = Proxy::to(sshd.port);
        let (hosts, host) = one(sshd.config_via(proxy.port));
        let path = sshd.path("disk");
        std::fs::write(&path, pattern(8 << 20)).unwrap();
        for round in 0..12 {
            let cut = async {
                tokio::time::sleep(Duration::from_millis(round * 11)).await;
                proxy.cut();
            };
            let started = std::time::Instant::now();
            let (result, ()) = tokio::join!(work(&host, &path, round % 3), cut);
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "round {round}: {result:?}"
            );
            match result {
                // Three logins in a row that broke off count as refused.
                Err(HostError::LoginRefused { .. }) => hosts.retry_login(&name()),
                Err(error) => assert!(error.passing(), "round {round}: {error:?}"),
                Ok(()) => {}
            }
        }
        hosts.retry_login(&name());
        for kind in 0..3 {
            work(&host, &path, kind).await.unwrap();
        }
    }
}

#[tokio::test]
async fn files_where_the_login_shell_prints_words_before_each_command() {
    let Some(sshd) = Sshd::start("ForceCommand echo Welcome; eval \"$SSH_ORIGINAL_COMMAND\"")
    else {
        return;
    };
    exercise(&sshd).await;
}
