//! Files over SFTP and scp, full datastores, locks.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::support::TestSite;
use crate::names::HostName;

fn noise(bytes: usize) -> Vec<u8> {
    crate::sim::seed::Draw::new(3, "noise").bytes(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn sftp_reads_and_writes_at_offsets_and_keeps_the_tree() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let sftp = client.session.sftp().unwrap();
    let folder = Path::new("/vmfs/volumes/local1/up load");
    sftp.mkdir(folder, 0o755).unwrap();
    let path = folder.join("a.bin");
    let data = noise(300_000);
    let mut file = sftp.create(&path).unwrap();
    file.write_all(&data).unwrap();
    file.seek(SeekFrom::Start(1_000_000)).unwrap();
    file.write_all(b"end").unwrap();
    file.fsync().unwrap();
    drop(file);
    assert_eq!(sftp.stat(&path).unwrap().size, Some(1_000_003));
    let mut read = Vec::new();
    sftp.open(&path).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(&read[..data.len()], &data[..]);
    assert!(read[data.len()..1_000_000].iter().all(|byte| *byte == 0));
    let mut attrs = sftp.stat(&path).unwrap();
    attrs.perm = Some(0o600);
    attrs.mtime = Some(1_700_000_000);
    attrs.size = None;
    sftp.setstat(&path, attrs).unwrap();
    assert_eq!(
        client
            .run("stat -c '%a %Y' '/vmfs/volumes/local1/up load/a.bin'")
            .out,
        "600 1700000000\n"
    );
    let moved = folder.join("b.bin");
    sftp.rename(&path, &moved, None).unwrap();
    assert_eq!(
        sftp.stat(&path).unwrap_err().code(),
        ssh2::ErrorCode::SFTP(2)
    );
    let names: Vec<_> = sftp
        .readdir(folder)
        .unwrap()
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(names, vec![moved.clone()]);
    sftp.unlink(&moved).unwrap();
    sftp.rmdir(folder).unwrap();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_round_trip_with_the_library() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let data = noise(700_001);
    let mut send = client
        .session
        .scp_send(Path::new("/tmp/x y"), 0o640, data.len() as u64, None)
        .unwrap();
    send.write_all(&data).unwrap();
    send.send_eof().unwrap();
    send.wait_eof().unwrap();
    send.close().unwrap();
    send.wait_close().unwrap();
    let (mut receive, stat) = client.session.scp_recv(Path::new("/tmp/x y")).unwrap();
    assert_eq!((stat.size(), stat.mode() & 0o777), (700_001, 0o640));
    let mut back = vec![0; data.len()];
    receive.read_exact(&mut back).unwrap();
    assert!(back == data, "the bytes changed on the way");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_datastore_takes_no_more_by_any_way() {
    let site = TestSite::start().await;
    let host = HostName::from("lee-esx1");
    let client = site.client("lee-esx1");
    let used = crate::sim::vfs::used(&site.root("lee-esx1").join("vmfs/volumes"));
    site.site
        .set_quota(&host, "local1", Some(used + (256 << 10)))
        .unwrap();
    let ran = client.run("dd if=/dev/zero of=/vmfs/volumes/local1/fill bs=64k count=100");
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("No space left on device"), "{ran:?}");
    let sftp = client.session.sftp().unwrap();
    let failed = sftp
        .create(Path::new("/vmfs/volumes/local1/more"))
        .and_then(|mut file| {
            file.write_all(&noise(64 << 10))
                .map_err(|_| ssh2::Error::unknown())
        });
    assert!(failed.is_err());
    site.site.set_quota(&host, "local1", None).unwrap();
    assert_eq!(client.run("echo x > /vmfs/volumes/local1/more").status, 0);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_vm_holds_its_files() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let folder = "/vmfs/volumes/local1/sql01";
    let listed = client.run(&format!("ls {folder}"));
    for name in ["sql01.vmx.lck", "sql01.vmx~", ".vswp"] {
        assert!(listed.out.contains(name), "{name}: {}", listed.out);
    }
    let read = client.run(&format!("cat {folder}/sql01-flat.vmdk > /dev/null"));
    assert_eq!(
        (read.status, read.err.contains("Device or resource busy")),
        (1, true),
        "{read:?}"
    );
    assert_eq!(
        client.run(&format!("rm {folder}/sql01-flat.vmdk")).status,
        1
    );
    assert!(
        client
            .session
            .sftp()
            .unwrap()
            .open(Path::new(&format!("{folder}/sql01-flat.vmdk")))
            .is_err()
    );
    // ghettoVCB copies the .vmx of running VMs: that one can be read.
    assert!(
        client
            .run(&format!("cat {folder}/sql01.vmx"))
            .out
            .contains("displayName = \"sql01\"")
    );
    let mac =
        client.run("esxcli --formatter=csv --format-param=fields=\"MACAddress\" network nic list");
    let mac: String = mac
        .out
        .lines()
        .nth(1)
        .unwrap()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let lock = client.run(&format!("vmkfstools -D {folder}/sql01-flat.vmdk"));
    assert!(
        lock.out.contains("mode 1, owner ") && lock.out.contains(&format!("-{mac} mtime")),
        "{}",
        lock.out
    );
    let id = site.vmid("lon-esx1", "sql01");
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    assert_eq!(
        client
            .run(&format!("cat {folder}/sql01-flat.vmdk > /dev/null"))
            .status,
        0
    );
    let free = client.run(&format!(
        "vmkfstools -D {folder}/sql01-flat.vmdk; ls {folder}"
    ));
    assert!(
        free.out
            .contains("mode 0, owner 00000000-00000000-0000-000000000000"),
        "{}",
        free.out
    );
    assert!(
        !free.out.contains(".vswp") && !free.out.contains(".lck"),
        "{}",
        free.out
    );
    site.stop().await;
}
