//! What must work with OpenSSH.

use super::proxy::Proxy;
use super::sshd::{Sshd, keygen};
use super::*;

#[tokio::test]
async fn a_command_is_run_and_its_outputs_and_status_come_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(sshd.config());
    let output = host
        .read(
            Lane::Control,
            &sh("echo out; echo err >&2; cat; exit 7").stdin("in"),
        )
        .await
        .unwrap();
    assert_eq!(output.text(), "out\nin");
    assert_eq!(output.error_text(), "err\n");
    assert_eq!(output.status, 7);
    let killed = host.read(Lane::Control, &sh("kill -9 $$")).await.unwrap();
    assert_eq!(killed.status, 128 + 9);
    hosts.close().await;
    assert_eq!(
        host.read(Lane::Control, &sh("true")).await,
        Err(HostError::Closed)
    );
}

#[tokio::test]
async fn a_write_tells_its_process_before_anything_else() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let (pid, started) = pid_slot();
    let command = HostCommand::script(Effect::Write, "echo \"$1\" $$", ["it's here"]);
    let output = host
        .write(Lane::Control, &command, intent(), started)
        .await
        .unwrap();
    let pid = pid.lock().unwrap().unwrap();
    assert_eq!(output.text(), format!("it's here {pid}\n"));
}

#[tokio::test]
async fn a_file_is_written_at_offsets_and_read_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let path = sshd.path("disk.vmdk");
    let access = FileAccess::Write(intent());
    let mut file = host
        .open_file(Lane::Transfer(0), path.to_str().unwrap(), access)
        .await
        .unwrap();
    file.write_at(0, vec![1; 3 << 20]).await.unwrap();
    file.write_at(3 << 20, vec![2; 100]).await.unwrap();
    file.write_at(10 << 20, b"end".to_vec()).await.unwrap();
    file.write_at(5, b"late".to_vec()).await.unwrap();
    assert_eq!(file.size().await.unwrap(), (10 << 20) + 3);
    file.finish().await.unwrap();
    let written = std::fs::read(&path).unwrap();
    assert_eq!(written.len(), (10 << 20) + 3);
    assert_eq!(&written[..11], b"\x01\x01\x01\x01\x01late\x01\x01");
    assert_eq!(
        &written[(3 << 20) - 1..(3 << 20) + 101],
        [&[1][..], &[2; 100], &[0]].concat()
    );

    let path = path.to_str().unwrap();
    let mut file = host
        .open_file(Lane::Transfer(1), path, FileAccess::Read)
        .await
        .unwrap();
    assert_eq!(file.read_at((10 << 20) - 1, 100).await.unwrap(), b"\0end");
    assert_eq!(file.read_at(4, 3).await.unwrap(), b"\x01la");
    assert_eq!(file.read_at(0, 12 << 20).await.unwrap(), written);
    file.finish().await.unwrap();
}
