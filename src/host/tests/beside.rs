//! A command that works beside a file that is written, and is told how far that has come.

use super::sshd::Sshd;
use super::*;

fn converse(script: &str) -> HostCommand {
    sh(script).deadline(SOON)
}

/// Opens a file for writing, because a conversation goes beside one.
async fn beside_a_file(host: &Host, sshd: &Sshd) -> RemoteFile {
    let path = sshd.path("disk");
    host.open_file(
        Lane::Transfer(0),
        path.to_str().unwrap(),
        FileAccess::Write(intent()),
    )
    .await
    .unwrap()
}

/// Over the session for bulk data, and where there is none.
async fn both_ways(talk: impl AsyncFn(&Sshd, Hosts, Arc<Host>)) {
    for bulk_session in [true, false] {
        let Some(sshd) = Sshd::start("") else { return };
        let (hosts, host) = one(HostConfig {
            bulk_session,
            ..sshd.config()
        });
        talk(&sshd, hosts, host).await;
    }
}

#[tokio::test]
async fn a_command_beside_a_file_is_told_more_while_it_runs() {
    both_ways(talks_on).await;
}

async fn talks_on(sshd: &Sshd, hosts: Hosts, host: Arc<Host>) {
    let command = converse("while read -r n; do echo $((n + 1)) >&2; done; echo out; exit 3");
    let none = host.converse(Lane::Transfer(0), &command).await.unwrap();
    assert!(none.is_none(), "there is no session yet");
    let mut file = beside_a_file(&host, sshd).await;
    let mut running = host
        .converse(Lane::Transfer(0), &command)
        .await
        .unwrap()
        .unwrap();
    let mut said = running.said();
    for n in [1, 5] {
        file.write_at(n << 20, vec![1; 3 << 20]).await.unwrap();
        running.tell(&n.to_string()).await.unwrap();
        said.changed().await.unwrap();
        assert_eq!(*said.borrow_and_update(), (n + 1).to_string());
    }
    file.finish().await.unwrap();
    let output = running.finish().await.unwrap();
    assert_eq!((output.text().as_str(), output.status), ("out\n", 3));
    let write = HostCommand::write(["true"]);
    let refused = host.converse(Lane::Transfer(0), &write).await;
    assert!(matches!(refused.err(), Some(HostError::PolicyRefused(_))));
    hosts.close().await;
}

#[tokio::test]
async fn a_command_beside_a_file_takes_its_lane_where_no_further_channel_is_opened() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let (_hosts, host) = one(sshd.config());
    let _file = beside_a_file(&host, &sshd).await;
    let command = converse("read -r n; echo $n");
    let talk = host.converse(Lane::Transfer(0), &command).await;
    let mut talk = talk.unwrap().unwrap();
    talk.tell("7").await.unwrap();
    assert_eq!(talk.finish().await.unwrap().text(), "7\n");
}

#[tokio::test]
async fn a_command_beside_a_file_that_ends_early_or_is_no_longer_wanted_holds_up_nobody() {
    both_ways(ends_early).await;
}

async fn ends_early(sshd: &Sshd, _hosts: Hosts, host: Arc<Host>) {
    let mut file = beside_a_file(&host, sshd).await;
    let start = |script: &str| {
        let command = converse(script);
        let host = host.clone();
        async move { host.converse(Lane::Transfer(0), &command).await }
    };
    let begun = Instant::now();
    let mut ended = start("exit 4").await.unwrap().unwrap();
    let mut said = ended.said();
    // On a lane its end is noticed when something is asked of it.
    while ended.tell("1").await.is_ok() {
        assert!(begun.elapsed() < SOON);
    }
    assert_eq!(ended.finish().await.unwrap().status, 4);
    while said.changed().await.is_ok() {}
    let mark = sshd.path("gone");
    let line = format!("read -r n; cat >/dev/null; : >{}", mark.display());
    let mut dropped = start(&line).await.unwrap().unwrap();
    dropped.tell("1").await.unwrap();
    drop(dropped);
    while !mark.exists() {
        assert!(begun.elapsed() < SOON, "its input was not closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut killed = start("kill -9 $$").await.unwrap().unwrap();
    let killed = killed.finish().await;
    assert!(killed.map_or(true, |output| output.status != 0));
    let endless = converse("exec sleep 1000").deadline(Duration::from_millis(300));
    let mut endless = host
        .converse(Lane::Transfer(0), &endless)
        .await
        .unwrap()
        .unwrap();
    let mut said = endless.said();
    tokio::select! {
        biased;
        _ = endless.finish() => panic!("its file waited for it"),
        written = file.write_at(0, vec![1; 9]) => written.unwrap(),
    }
    assert!(endless.finish().await.is_err(), "it has not ended");
    assert!(said.changed().await.is_err(), "nobody hears it any more");
    file.finish().await.unwrap();
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn a_file_tells_up_to_where_its_writes_are_confirmed() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(sshd.config());
    let mut file = beside_a_file(&host, &sshd).await;
    file.write_at(0, vec![1; 4 << 20]).await.unwrap();
    let begun = Instant::now();
    let mut confirmed = 0;
    while confirmed < 4 << 20 {
        assert!(begun.elapsed() < SOON);
        let now = file.confirmed(4 << 20).unwrap();
        assert!(now >= confirmed && now % (128 << 10) == 0);
        confirmed = now;
        let arrived = std::fs::read(sshd.path("disk")).unwrap();
        assert!(arrived.len() as u64 >= confirmed);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    file.write_at(8 << 20, vec![1; 4 << 20]).await.unwrap();
    assert!(file.confirmed(6 << 20) == Some(6 << 20), "not written to");
    hosts.close().await;
}

#[tokio::test]
async fn a_file_on_a_lane_tells_it_too() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(HostConfig {
        bulk_session: false,
        ..sshd.config()
    });
    let mut file = beside_a_file(&host, &sshd).await;
    assert_eq!(file.confirmed(0), Some(0), "nothing is on its way");
    file.write_at(0, vec![1; 4 << 20]).await.unwrap();
    let confirmed = file.confirmed(4 << 20).unwrap();
    assert!(confirmed >= 3 << 20, "a MiB is on its way: {confirmed}");
    let arrived = std::fs::read(sshd.path("disk")).unwrap();
    assert!(arrived.len() as u64 >= confirmed);
    file.write_at(8 << 20, vec![1; 4 << 20]).await.unwrap();
    assert!(file.confirmed(6 << 20) == Some(6 << 20), "not written to");
    hosts.close().await;
}
