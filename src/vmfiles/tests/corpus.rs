//! Real files, where a folder of them is present (`LIFEBOAT_CORPUS`); none is part of the project.

use std::path::{Path, PathBuf};

use crate::vmfiles::{Descriptor, Severity, Surroundings, Vmsd, Vmx, diff, fit_to_host};

/// Files of `vmx-corpus/<kind>` and captures of the same kind; empty where there is no corpus.
pub(super) fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let Some(root) = std::env::var_os("LIFEBOAT_CORPUS").map(PathBuf::from) else {
        println!("LIFEBOAT_CORPUS is not set: 0 {kind} files read");
        return Vec::new();
    };
    let is_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    let list = |folder: PathBuf| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.into_iter().filter(is_kind).collect::<Vec<_>>()
    };
    let mut files = list(root.join("vmx-corpus").join(kind));
    files.extend(list(root.join("esxi-outputs")));
    assert!(!files.is_empty(), "no {kind} file below {}", root.display());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files
        .iter()
        .map(|path| (name(path), std::fs::read(path).unwrap()))
        .collect()
}

#[test]
fn every_real_vmx_comes_back_byte_for_byte_and_edits_stay_in_their_line() {
    let files = corpus("vmx");
    let mut edits = 0;
    for (name, bytes) in &files {
        let vmx = Vmx::parse(bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(&vmx.to_bytes(), bytes, "{name}");
        let _ = (vmx.disks(), vmx.adapters(), vmx.absolute_paths());
        let doubled: Vec<String> = vmx.duplicates().into_iter().map(|(key, _)| key).collect();
        for key in vmx.keys() {
            if doubled.contains(&key.to_ascii_lowercase()) || key == ".encoding" {
                continue;
            }
            let mut edited = vmx.clone();
            edited
                .set(key, "something else")
                .unwrap_or_else(|why| panic!("{name}: {why}"));
            edits += 1;
            let changes = diff(&vmx, &edited);
            assert_eq!(changes.len(), 1, "{name}: {key}");
            assert_eq!(lines_changed(bytes, &edited.to_bytes()), 1, "{name}: {key}");
            edited.remove(key);
            assert_eq!(edited.get(key), None, "{name}: {key}");
        }
        let mut grown = vmx.clone();
        grown
            .set("lifeboat.test", "1")
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let grown = grown.to_bytes();
        assert!(
            lines(bytes).iter().all(|line| lines(&grown).contains(line)),
            "{name}"
        );
    }
    println!("{} real .vmx files read, {edits} edits made", files.len());
}

#[test]
fn every_real_vmx_is_made_fit_once_and_for_all() {
    let (mut must, mut should, mut stopped) = (0, 0, 0);
    let files = corpus("vmx");
    for (name, bytes) in &files {
        let vmx = Vmx::parse(bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        if !vmx.duplicates().is_empty() {
            continue;
        }
        // All of its disks were restored beside it, and nothing else is there.
        let disks = vmx.disk_files().into_iter();
        let around = Surroundings {
            host: "lee-esx1".into(),
            folder: disks
                .map(|disk| disk.rsplit('/').next().unwrap_or_default().to_owned())
                .collect(),
            newest_hardware: Some(13),
            came: true,
            ..Surroundings::default()
        };
        let fitting = fit_to_host(&vmx, &around);
        let new = fitting
            .apply(&vmx)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let again = Vmx::parse(&new.to_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(fit_to_host(&again, &around).fixes, [], "{name}");
        assert_eq!(diff(&vmx, &again).len(), fitting.fixes.len(), "{name}");
        assert_eq!(vmx.disk_files().len(), again.disk_files().len(), "{name}");
        let kept = lines(bytes);
        let gone = kept.len()
            - kept
                .iter()
                .filter(|line| lines(&new.to_bytes()).contains(line))
                .count();
        assert!(gone <= fitting.fixes.len(), "{name}: {gone} lines changed");
        let musts = fitting
            .fixes
            .iter()
            .filter(|fix| fix.severity == Severity::Must);
        must += musts.count();
        should += fitting
            .fixes
            .iter()
            .filter(|fix| fix.severity == Severity::Should)
            .count();
        stopped += usize::from(!fitting.obstacles.is_empty());
    }
    println!(
        "{} real .vmx files: {must} needed changes, {should} leftovers, {stopped} files for a person",
        files.len()
    );
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn lines_changed(old: &[u8], new: &[u8]) -> usize {
    let (old, new) = (lines(old), lines(new));
    assert_eq!(old.len(), new.len());
    old.iter().zip(&new).filter(|(old, new)| old != new).count()
}

#[test]
fn every_real_descriptor_is_read_or_refused_for_its_reason() {
    let files = corpus("vmdk");
    for (name, bytes) in &files {
        let begins = |numbers: &[&str]| numbers.iter().any(|number| name.starts_with(number));
        // Templates with placeholders for numbers; texts of somebody's unit test with the magic of
        // a binary format glued in front; an excerpt that begins in the middle.
        let expected = if begins(&["016-", "017-", "018-", "062-", "063-"]) {
            Some("describes an extent that cannot be understood")
        } else if begins(&[
            "102-",
            "104-",
            "105-",
            "106-",
            "108-",
            "vmdk-descriptor-cbt-excerpt",
        ]) {
            Some("not a disk descriptor")
        } else {
            None
        };
        match (Descriptor::parse(bytes), expected) {
            (Ok(disk), None) => assert!(disk.capacity() > 0, "{name}"),
            (Err(why), Some(reason)) if why.to_string().contains(reason) => {}
            (other, expected) => panic!("{name}: {other:?}, expected {expected:?}"),
        }
    }
    println!("{} real .vmdk files read", files.len());
}

#[test]
fn every_real_catalogue_is_read() {
    let files = corpus("vmsd");
    for (name, bytes) in &files {
        let vmsd = Vmsd::parse(bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        let claimed = vmsd.claimed.unwrap_or(0);
        assert_eq!(
            vmsd.snapshots.len(),
            usize::try_from(claimed).unwrap(),
            "{name}"
        );
    }
    println!("{} real .vmsd files read", files.len());
}
