use std::fs;

use super::*;

fn message(result: Result<Loaded, LoadError>) -> String {
    result.unwrap_err().render(false)
}

#[test]
fn bundled_runbook_is_valid() {
    let loaded = load_bundled().unwrap();
    assert_eq!(loaded.runbook.name, "v2v-image-restore");
    assert_eq!(loaded.runbook.vms.len(), 3);
    assert_eq!(loaded.sha256.len(), 64);
}

#[test]
fn a_missing_file_names_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tier2.yaml"), "").unwrap();
    let message = message(load_runbook(&folder.path().join("tier2.yml")));
    assert!(
        message.contains("there is no such file; did you mean "),
        "{message}"
    );
    assert!(message.contains("tier2.yaml?"), "{message}");
}

#[test]
fn a_folder_names_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(message(load_runbook(folder.path())).ends_with("this is a folder\n"));
    fs::write(folder.path().join("a.yaml"), "").unwrap();
    assert!(message(load_runbook(folder.path())).ends_with("a.yaml?\n"));
}

#[test]
fn a_device_is_not_read() {
    assert!(message(load_runbook(Path::new("/dev/zero"))).contains("no regular file"));
}

#[test]
fn noise_and_other_encodings_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &str); 4] = [
        (b"\x7fELF\x02\x01", "this is no text (byte 4 is 0x02)"),
        (b"a: 1\nb\0", "this is no text (byte 6 is 0x00)"),
        (b"a: 1\nb: caf\xe9\n", ":2: this is not UTF-8 (byte 0xe9)"),
        (
            b"\xff\xfea\0:\0",
            ":1: this is not UTF-8 (byte 0xff): it looks like UTF-16",
        ),
    ];
    for (bytes, expected) in cases {
        let path = folder.path().join("x.yaml");
        fs::write(&path, bytes).unwrap();
        let message = message(load_runbook(&path));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_large_file_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    // A sparse file of 100 GB: reading it would be noticed.
    fs::File::create(&path)
        .unwrap()
        .set_len(100_000_000_000)
        .unwrap();
    let message = message(load_runbook(&path));
    assert!(
        message.contains("the file has 100000000000 bytes; a runbook may have 1048576"),
        "{message}"
    );
}

#[test]
fn an_empty_file_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, "").unwrap();
    let message = message(load_runbook(&path));
    assert!(message.contains("the file is empty"), "{message}");
    assert!(message.contains("lifeboat: 1"), "{message}");
}
