//! The scripts, run by the shells that are here, over names that break careless scripts.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use super::super::tests::{run, shells};
use super::*;

const NAMES: [&str; 16] = [
    "plain.vmx",
    "with blank",
    "it's \"quoted\"",
    "new\nline",
    "-rf",
    "[bracket]",
    "star*",
    "q?",
    "$HOME",
    "`id`",
    "caf\u{e9} \u{6f22}",
    " lead and trail ",
    "back\\slash",
    ".hidden",
    "...",
    "!",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

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
fn renaming_never_overwrites() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        for name in NAMES {
            let from = dir.path().join(format!("{name}.part"));
            let to = dir.path().join(name);
            let go = || Renamed::parse(&run(&shell, &rename(text(&from), text(&to)))).unwrap();
            assert_eq!(go(), Renamed::Absent);
            fs::write(&from, b"new").unwrap();
            assert_eq!(go(), Renamed::Done, "{name:?}");
            fs::write(&from, b"newer").unwrap();
            assert_eq!(go(), Renamed::Taken);
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert_eq!(fs::read(&from).unwrap(), b"newer");
        }
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let from = dir.path().join("plain.vmx.part");
        assert_eq!(
            Renamed::parse(&run(&shell, &rename(text(&from), text(&folder)))),
            Ok(Renamed::Taken)
        );
        let dangling = dir.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        assert_eq!(
            Renamed::parse(&run(&shell, &rename(text(&from), text(&dangling)))),
            Ok(Renamed::Taken)
        );
        let nowhere = dir.path().join("no/such");
        assert!(Renamed::parse(&run(&shell, &rename(text(&from), text(&nowhere)))).is_err());
    }
}

#[test]
fn removing_takes_one_file_and_no_folder() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        for name in NAMES {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let go = |path: &Path| Removed::parse(&run(&shell, &remove_file(text(path)))).unwrap();
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(go(&dir.path().join(name)), Removed::Done, "{name:?}");
            assert_eq!(go(&dir.path().join(name)), Removed::Absent, "{name:?}");
            assert_eq!(
                fs::read_dir(dir.path()).unwrap().count(),
                NAMES.len() - index - 1
            );
        }
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        assert_eq!(go(&folder), Removed::IsFolder);
        assert_eq!(go(&dir.path().join("gone/file")), Removed::NoFolder);
        symlink(&folder, dir.path().join("link")).unwrap();
        assert_eq!(go(&dir.path().join("link")), Removed::Done);
        assert!(folder.is_dir());
    }
}

#[test]
fn folders_are_made_once_and_removed_when_empty() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a b/-c");
        let path = text(&folder);
        assert!(check_quiet(&run(&shell, &make_folder(path, Folders::Last))).is_err());
        assert_eq!(
            check_quiet(&run(&shell, &make_folder(path, Folders::Missing))),
            Ok(())
        );
        assert!(check_quiet(&run(&shell, &make_folder(path, Folders::Last))).is_err());
        let go = || FolderRemoval::parse(&run(&shell, &remove_empty_folder(path))).unwrap();
        for name in ["x", ".x", "new\nline"] {
            fs::write(folder.join(name), b"").unwrap();
            assert_eq!(go(), FolderRemoval::Full, "{name:?}");
            fs::remove_file(folder.join(name)).unwrap();
        }
        assert_eq!(go(), FolderRemoval::Done);
        assert_eq!(go(), FolderRemoval::Absent);
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(
            check_quiet(&run(&shell, &set_mode(text(&file), 0o755))),
            Ok(())
        );
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
            0o755
        );
    }
}

#[test]
fn sums_of_whole_files_and_parts() {
    use sha2::Digest;
    let hex = |bytes: &[u8]| {
        sha2::Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    let mut bytes = vec![7_u8; (2 << 20) + 11];
    bytes[1 << 20] = 1;
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["back\\slash", "new\nline", "-"] {
            let path = dir.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let whole = Sha256::parse(&run(&shell, &sha256(text(&path)))).unwrap();
            assert_eq!((whole.hex, whole.tool), (hex(&bytes), SumTool::Sha256sum));
            let part = Sha256::parse(&run(&shell, &sha256_part(text(&path), 1, 1))).unwrap();
            assert_eq!(part.hex, hex(&bytes[1 << 20..2 << 20]));
            let end = Sha256::parse(&run(&shell, &sha256_part(text(&path), 2, 5))).unwrap();
            assert_eq!(end.hex, hex(&bytes[2 << 20..]));
        }
        let gone = Sha256::parse(&run(&shell, &sha256(text(&dir.path().join("gone")))));
        assert!(matches!(gone, Err(DriverFault::Failed { .. })));
        assert!(Sha256::parse(&run(&shell, &sha256(text(dir.path())))).is_err());
    }
}

#[test]
fn every_tool_that_sums_is_understood() {
    let parse = |stdout: &str| {
        Sha256::parse(&Output {
            stdout: stdout.into(),
            ..Output::default()
        })
    };
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (text, tool) in [
        (format!("sha256sum\n{sum}  -\n"), SumTool::Sha256sum),
        (format!("python3\n{sum}\n"), SumTool::Python3),
        (
            format!("openssl\nSHA2-256(stdin)= {}\n", sum.to_uppercase()),
            SumTool::Openssl,
        ),
    ] {
        assert_eq!(
            parse(&text),
            Ok(Sha256 {
                hex: sum.to_owned(),
                tool
            })
        );
    }
    assert!(matches!(
        parse("none\n"),
        Err(DriverFault::ToolMissing { .. })
    ));
    for odd in [
        "",
        "sha256sum\n",
        "sha256sum\nabc  -\n",
        &format!("{sum}  -\n"),
    ] {
        assert!(parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn the_other_tools_sum_the_same() {
    use sha2::Digest;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, b"some bytes").unwrap();
    let hex: String = sha2::Sha256::digest(b"some bytes")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for (missing, tool, program) in [
        (vec!["sha256sum"], SumTool::Python3, "python3"),
        (vec!["sha256sum", "python3"], SumTool::Openssl, "openssl"),
    ] {
        if std::process::Command::new(program)
            .arg("version")
            .output()
            .is_err()
        {
            println!("{program} is missing here: not tried");
            continue;
        }
        let hide = |script: &str| {
            missing.iter().fold(script.to_owned(), |script, name| {
                script.replace(&format!("command -v {name}"), "false")
            })
        };
        for (script, args) in [
            (SHA256, vec![text(&path)]),
            (SHA256_PART, vec![text(&path), "0", "1"]),
        ] {
            let command = HostCommand::script(Effect::Read, &hide(script), args);
            let sum = Sha256::parse(&run(&shells()[0], &command)).unwrap();
            assert_eq!(
                sum,
                Sha256 {
                    hex: hex.clone(),
                    tool
                }
            );
        }
    }
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
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(file|other|unknown|sha256sum|\\.)?[ 0-9a-z/\n.]{0,100}") {
        for stdout in [bytes, text.into_bytes()] {
            let output = Output { stdout, ..Output::default() };
            let _ = (entries(&output), Found::parse(&output), Sha256::parse(&output), parse_free_space(&output));
            let _ = (Renamed::parse(&output), Removed::parse(&output), FolderRemoval::parse(&output));
        }
    }
}
