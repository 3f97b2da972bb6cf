//! The runbooks that come along: each is practised there and back, as its reader would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::program::Place;

/// The bundled one is practised in `practice.rs`.
const BUNDLED: &str = "v2v-image-restore.yaml";

#[test]
fn every_runbook_fails_over_and_comes_home_in_practice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let entries = std::fs::read_dir(folder).expect("the runbooks");
    let mut runbooks: Vec<PathBuf> = entries.map(|entry| entry.expect("one").path()).collect();
    runbooks.retain(|path| !path.ends_with(BUNDLED));
    assert!(runbooks.len() >= 6, "{runbooks:?}");
    // A run mostly waits for its guests to boot: all of them wait together.
    std::thread::scope(|scope| {
        for runbook in &runbooks {
            scope.spawn(|| practise(runbook));
        }
    });
}

fn practise(runbook: &Path) {
    let place = Place::new();
    let path = runbook.to_string_lossy();
    let args = [
        "practice",
        &path,
        "--headless",
        "--yes",
        "--speed",
        "40",
        "--scale",
        "1MiB",
    ];
    let ran = place.run(&args, Duration::from_secs(120));
    ran.expect(0);
    let journal = place.journal();
    let count = |tag: &str| journal.iter().filter(|line| line["event"] == tag).count();
    assert_eq!(count("run-finished"), 1, "{path}");
    assert_eq!(count("step-failed"), 0, "{path}: {}", ran.stdout);
    assert_eq!(count("write-intended"), count("write-finished"), "{path}");
}
