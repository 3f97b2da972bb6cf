//! Changes among awkward names, by the shells that are here.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use super::super::tests::{NAMES, run, shells, text};
use super::*;

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

proptest! {
    #[test]
    fn never_panics(status in 0..3, text in "(renamed|removed|taken)?.{0,40}") {
        let output = Output { status, stdout: text.into(), ..Output::default() };
        let _ = (Renamed::parse(&output), Removed::parse(&output), FolderRemoval::parse(&output));
    }
}
