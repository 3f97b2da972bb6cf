//! Looking at awkward names, by the shells that are here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;

use super::super::tests::{NAMES, run, shells, text};
use super::*;

#[test]
fn looking_at_awkward_names() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        for name in NAMES {
            let path = dir.path().join(name);
            let look = || Found::parse(&run(&shell, &find(text(&path)))).unwrap();
            assert_eq!(look(), Found::Absent, "{name:?}");
            fs::write(&path, b"12345").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
            let stat = look().stat().unwrap();
            assert_eq!(
                (stat.kind, stat.size, stat.mode),
                (FileKind::File, 5, 0o750),
                "{name:?}"
            );
            assert!(stat.modified > 1_600_000_000);
        }
    }
}

#[test]
fn what_is_there_is_told_for_each_path_in_its_place() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths: Vec<String> = Vec::new();
        for name in NAMES {
            let path = dir.path().join(name);
            fs::write(&path, b"x").unwrap();
            paths.push(text(&path).to_owned());
            paths.push(format!("{}-not", text(&path)));
        }
        paths.push(text(dir.path()).to_owned());
        let output = run(&shell, &which(&paths));
        let there = parse_which(&output, paths.len()).unwrap();
        let expected: Vec<bool> = (0..paths.len()).map(|n| n % 2 == 0).collect();
        assert_eq!(there, expected);
        assert!(
            parse_which(&output, paths.len() + 1).is_err(),
            "an answer is missing"
        );
    }
}

#[test]
fn kinds_and_missing_folders() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| text(&dir.path().join(name)).to_owned();
        fs::create_dir(at("folder")).unwrap();
        symlink("nowhere", at("link")).unwrap();
        let look = |name: &str| Found::parse(&run(&shell, &find(&at(name)))).unwrap();
        assert_eq!(look("folder").stat().unwrap().kind, FileKind::Folder);
        assert_eq!(look("link").stat().unwrap().kind, FileKind::Link);
        assert_eq!(look("gone/file"), Found::NoFolder);
        let sparse = fs::File::create(at("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        let stat = look("sparse").stat().unwrap();
        assert_eq!(stat.size, 1 << 30);
        assert!(stat.allocated < 1 << 20, "{stat:?}");
    }
}

#[test]
fn listing_awkward_names() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            entries(&run(&shell, &list(text(dir.path())))),
            Ok(Vec::new())
        );
        let mut wanted: Vec<Vec<u8>> = NAMES.iter().map(|name| name.as_bytes().to_vec()).collect();
        wanted.push(b"bytes \xff\xfe".to_vec());
        for name in &wanted {
            fs::write(dir.path().join(OsStr::from_bytes(name)), b"123").unwrap();
        }
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        wanted.push(b"dangling".to_vec());
        wanted.sort();
        let mut found = entries(&run(&shell, &list(text(dir.path())))).unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<_> = found.iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(names, wanted);
        assert!(found.iter().all(|entry| entry.stat.is_some()));
        assert!(found.iter().any(|entry| entry.text().is_none()));
    }
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_empty() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        assert!(entries(&run(&shell, &list(text(&gone)))).is_err());
    }
    let cut = |bytes: &[u8]| {
        entries(&Output {
            stdout: bytes.to_vec(),
            ..Output::default()
        })
    };
    assert!(cut(b"").is_err());
    assert!(cut(b"file 1 644 1 1 512\na/\n").is_err());
    assert!(cut(b"file 1 644 1 1 512\na").is_err());
    assert_eq!(cut(b"unknown\na/\n.\n").unwrap()[0].stat, None);
}

#[test]
fn a_folder_that_is_gone_is_not_told_as_one_that_takes_no_writes() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let look = |folder: &str| Access::parse(&run(&shell, &access(folder)));
        assert_eq!(look(text(dir.path())), Ok(Access::Open));
        assert_eq!(look(text(&dir.path().join("gone"))), Ok(Access::Gone));
    }
    let parse = |stdout: &str, status| {
        Access::parse(&Output {
            stdout: stdout.into(),
            status,
            ..Output::default()
        })
    };
    assert_eq!(parse("closed\n", 0), Ok(Access::Closed));
    assert!(parse("", 0).is_err());
    assert!(parse("closed\n", 127).is_err());
}

#[test]
fn free_space_of_this_machine_and_of_others() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        assert!(parse_free_space(&run(&shell, &free_space(text(dir.path())))).unwrap() > 0);
        assert!(parse_free_space(&run(&shell, &free_space("/no/such/folder"))).is_err());
    }
    let parse = |stdout: &str| {
        parse_free_space(&Output {
            stdout: stdout.into(),
            ..Output::default()
        })
    };
    let posix = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/sd a1 1000 900 100  90% /mnt/a b 1 2 3 4% /\n";
    let wrapped = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/mapper/very-long-name\n   1000 900 100 90% /\n";
    for table in [posix, wrapped] {
        assert_eq!(parse(table), Ok(100 * 1024));
    }
    assert_eq!(parse("F\n/dev/x 10 11 -1 110% /\n"), Ok(0));
    assert!(parse("").is_err());
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(file|other|unknown|\\.)?[ 0-9a-z/\n.]{0,100}") {
        for stdout in [bytes, text.into_bytes()] {
            let output = Output { stdout, ..Output::default() };
            let _ = (entries(&output), Found::parse(&output), parse_free_space(&output));
        }
    }
}
