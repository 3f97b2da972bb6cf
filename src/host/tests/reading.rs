//! What is read of a host's file, and how many bytes come over the line for it.

use std::ops::Range;

use super::proxy::Proxy;
use super::sshd::Sshd;
use super::*;

const SIZE: usize = 24 << 20;

/// A file whose bytes differ from place to place.
fn put(sshd: &Sshd) -> Vec<u8> {
    let data: Vec<u8> = (0..SIZE).map(|n| (n / 11 % 251) as u8).collect();
    std::fs::write(sshd.path("disk"), &data).unwrap();
    data
}

/// Reads stretches as a transfer does, and gives what came over the line for them.
async fn read(host: &Host, proxy: &Proxy, sshd: &Sshd, ranges: &[Range<u64>]) -> u64 {
    let data = std::fs::read(sshd.path("disk")).unwrap();
    let path = sshd.path("disk");
    host.get_ready(Lane::Transfer(0)).await;
    let opened = host.open_file(Lane::Transfer(0), path.to_str().unwrap(), FileAccess::Read);
    let mut file = opened.await.unwrap();
    let before = proxy.came();
    file.will_read(ranges);
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let next = (at / (1 << 20) + 1) << 20;
            let end = next.min(range.end);
            let got = file.read_at(at, (end - at) as usize).await.unwrap();
            assert!(got == data[at as usize..end as usize], "at {at}");
            at = end;
        }
    }
    // What was asked for in vain comes before what is asked for now.
    file.read_at(0, 1).await.unwrap();
    proxy.came() - before
}

/// Every other stretch of a length.
fn every_other(length: u64) -> Vec<Range<u64>> {
    let starts = (0..SIZE as u64).step_by(2 * length as usize);
    starts.map(|start| start + 5..start + length).collect()
}

#[tokio::test]
async fn nothing_comes_that_is_not_to_be_read() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    put(&sshd);
    // libssh2 asks for up to 30 KB more than it is to.
    for (bulk_session, length, more) in [
        (true, 64 << 10, 1 << 10),
        (true, 3 << 19, 4 << 10),
        (false, 3 << 19, 40 << 10),
    ] {
        let (_hosts, host) = one(HostConfig {
            bulk_session,
            ..sshd.config_via(proxy.port)
        });
        let ranges = every_other(length);
        let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let came = read(&host, &proxy, &sshd, &ranges).await;
        let most = wanted + wanted / 100 + more * ranges.len() as u64 + (64 << 10);
        assert!(
            came >= wanted && came < most,
            "{came} bytes for {wanted} in {} stretches",
            ranges.len()
        );
    }
}

/// OpenSSH's server behind a filter that asks it for 20,000 bytes at a time at most.
const SMALL_READS: &str = r#"import os, struct, subprocess, sys
server = subprocess.Popen(["/usr/lib/openssh/sftp-server"], stdin=subprocess.PIPE)
while head := sys.stdin.buffer.read(4):
    packet = bytearray(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
    if packet[0] == 5: packet[-4:] = struct.pack(">I", min(20000, struct.unpack(">I", packet[-4:])[0]))
    server.stdin.write(head + packet)
    server.stdin.flush()
server.stdin.close()
server.wait()
"#;

#[tokio::test]
async fn a_server_that_gives_less_at_a_time_is_asked_for_no_byte_twice() {
    let tools = tempfile::tempdir().unwrap();
    let script = tools.path().join("small.py");
    std::fs::write(&script, SMALL_READS).unwrap();
    let filter = format!("Subsystem sftp /usr/bin/python3 {}", script.display());
    let has = |path: &str| std::path::Path::new(path).exists();
    if !has("/usr/bin/python3") || !has("/usr/lib/openssh/sftp-server") {
        eprintln!("SKIPPED: no python3, or no sftp-server of OpenSSH's");
        return;
    }
    let Some(sshd) = Sshd::start(&filter) else {
        return;
    };
    let proxy = Proxy::to(sshd.port);
    put(&sshd);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let whole = 7..SIZE as u64;
    let came = read(&host, &proxy, &sshd, std::slice::from_ref(&whole)).await;
    assert!(came < SIZE as u64 * 21 / 20, "{came} bytes for {SIZE}");
}
