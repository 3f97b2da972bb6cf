//! What the journal promises: whole lines, a chain that shows every change, one writer, nothing lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use std::sync::Arc;

use crate::engine::{Entry, Pace, RunEvent, RunInfo, RunResult};
use crate::names::{Attempt, OpId, RunId, StepId};

fn start() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

/// What a test wants written; number and time are added by `append`.
struct Record {
    step: Option<StepId>,
    attempt: Option<Attempt>,
    event: RunEvent,
}

fn numbered(seq: u64, record: Record) -> Arc<Entry> {
    let at = start() + Duration::from_millis(1_250 * (seq - 1));
    Arc::new(Entry {
        seq,
        at,
        step: record.step,
        attempt: record.attempt,
        event: record.event,
    })
}

fn append(journal: &mut Journal, record: Record) -> Result<Arc<Entry>, JournalError> {
    let entry = numbered(journal.last_seq() + 1, record);
    journal.append(&entry).map(|()| entry)
}

fn create(folder: &Path) -> (Journal, Arc<Entry>) {
    let mut journal = Journal::create(folder, "alice", "noc-3").unwrap();
    let begun = append(&mut journal, first()).unwrap();
    (journal, begun)
}

fn reopen(folder: &Path) -> Result<(Journal, Vec<Arc<Entry>>), JournalError> {
    Journal::reopen(folder, "bob", "noc-4")
}

fn first() -> Record {
    let info = RunInfo {
        format: 1,
        run: RunId::from("20260102-030405-k7qd"),
        operator: "alice".to_owned(),
        console: "noc-3".to_owned(),
        ..RunInfo::default()
    };
    run(RunEvent::RunStarted(Box::new(info)))
}

fn run(event: RunEvent) -> Record {
    Record {
        step: None,
        attempt: None,
        event,
    }
}

fn of_step(event: RunEvent) -> Record {
    Record {
        step: Some(StepId::from("failover/recover/sql01/power_on")),
        attempt: Some(Attempt(1)),
        event,
    }
}

fn intended(op: u64) -> Record {
    of_step(RunEvent::WriteIntended {
        op: OpId(op),
        host: "lee-esx1".into(),
        command: "vim-cmd vmsvc/power.on 12 # \"quoted\", ünïcode\n,\"hash\":".to_owned(),
        bulk: false,
    })
}

/// A journal of a few lines of every shape; returns its bytes.
fn sample(folder: &Path) -> Vec<u8> {
    let (mut journal, _) = create(folder);
    let records = [
        of_step(RunEvent::StepStarted),
        intended(1),
        of_step(RunEvent::WriteFinished {
            op: OpId(1),
            exit: 0,
            took_ms: 4,
            output_sha256: None,
        }),
        of_step(RunEvent::StepDone {
            evidence: vec!["Powered on".to_owned()],
        }),
        run(RunEvent::PaceSet {
            pace: Pace::Auto,
            by: "alice".to_owned(),
        }),
    ];
    for record in records {
        append(&mut journal, record).unwrap();
    }
    drop(journal);
    fs::read(folder.join(FILE_NAME)).unwrap()
}

#[test]
fn writes_the_format_that_standard_tools_check() {
    let folder = tempfile::tempdir().unwrap();
    let text = String::from_utf8(sample(folder.path())).unwrap();
    let mut prev = ZERO_HASH.to_owned();
    for (index, line) in text.lines().enumerate() {
        let (hashed, rest) = line.rsplit_once(",\"hash\":").unwrap();
        let hash: String = Sha256::digest(hashed.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(rest, format!("\"{hash}\"}}"));
        assert!(hashed.ends_with(&format!(",\"prev\":\"{prev}\"")), "{line}");
        assert!(line.starts_with(&format!(
            "{{\"seq\":{},\"at\":\"2026-01-02T03:04:",
            index + 1
        )));
        prev = hash;
    }
    let second = text.lines().nth(1).unwrap();
    assert!(
        second.starts_with(
            r#"{"seq":2,"at":"2026-01-02T03:04:06.928Z","event":"step-started","step":"failover/recover/sql01/power_on","attempt":1,"data":{},"prev":"#
        ),
        "{second}"
    );
    let last = text.lines().last().unwrap();
    assert!(
        last.contains(r#""event":"pace-set","data":{"pace":"auto","by":"alice"},"prev":"#),
        "{last}"
    );
}

#[test]
fn what_was_appended_is_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, begun) = create(folder.path());
    let mut written = vec![begun];
    for op in 1..5 {
        written.push(append(&mut journal, intended(op)).unwrap());
    }
    let found = read(&folder.path().join(FILE_NAME)).unwrap();
    assert_eq!(found.entries, written);
    assert_eq!(
        (found.head.as_str(), found.problem, found.torn.len()),
        (journal.head(), None, 0)
    );
}

#[test]
fn an_intent_is_handed_out_once_and_only_for_the_line_just_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, begun) = create(folder.path());
    assert!(journal.intent(&begun).is_none());
    let one = append(&mut journal, intended(1)).unwrap();
    let two = append(&mut journal, intended(2)).unwrap();
    assert!(journal.intent(&one).is_none(), "a line came after it");
    let intent = journal.intent(&two).unwrap();
    assert_eq!((intent.op(), intent.host().as_str()), (OpId(2), "lee-esx1"));
    assert!(journal.intent(&two).is_none(), "it was handed out before");
}

/// A crash leaves any prefix of the file: each is a journal of the lines before the cut, and a run
/// taken up from it goes on with a chain that verifies.
#[test]
fn a_cut_at_any_byte_loses_at_most_the_line_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = sample(folder.path());
    let path = folder.path().join(FILE_NAME);
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let found = read(&path).unwrap();
        assert_eq!(
            (found.entries.len(), found.problem),
            (lines, None),
            "cut at {cut}"
        );
        assert_eq!(found.whole_bytes + found.torn.len() as u64, cut as u64);
    }
    for cut in (0..=bytes.len()).step_by(37) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, &bytes[..cut]).unwrap();
        let before = read(&path).unwrap();
        let (mut journal, entries) = match reopen(folder.path()) {
            Ok(reopened) => reopened,
            Err(JournalError::Empty(_)) if before.entries.is_empty() => continue,
            Err(error) => panic!("cut at {cut}: {error}"),
        };
        assert_eq!(entries, before.entries);
        append(
            &mut journal,
            run(RunEvent::RunDetached {
                why: "test".to_owned(),
            }),
        )
        .unwrap();
        drop(journal);
        let after = read(&path).unwrap();
        assert_eq!(
            (after.entries.len(), after.problem),
            (entries.len() + 1, None)
        );
        let aside: Vec<Vec<u8>> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("journal.torn-")
            })
            .map(|entry| fs::read(entry.path()).unwrap())
            .collect();
        let expected = if before.torn.is_empty() {
            vec![]
        } else {
            vec![before.torn]
        };
        assert_eq!(aside, expected, "the torn bytes are kept");
    }
}

#[test]
fn every_flipped_bit_shows() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = sample(folder.path());
    let path = folder.path().join(FILE_NAME);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    for bit in 0..bytes.len() * 8 {
        // One bit of each byte, another in each byte; all eight would take seconds.
        if bit % 8 != (bit / 8) % 8 {
            continue;
        }
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let expected_line = bytes[..bit / 8]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let last_newline = bit / 8 == bytes.len() - 1;
        match read(&path) {
            Ok(found) if last_newline => {
                assert!(!found.torn.is_empty() && found.entries.len() == lines - 1);
            }
            Ok(found) => {
                let problem = found
                    .problem
                    .unwrap_or_else(|| panic!("bit {bit} did not show"));
                assert_eq!(
                    problem.line, expected_line as u64,
                    "bit {bit}: {}",
                    problem.why
                );
            }
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

#[test]
fn a_removed_or_moved_line_shows_and_a_rewritten_tail_misses_the_recorded_head() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = sample(folder.path());
    let path = folder.path().join(FILE_NAME);
    let recorded = read(&path).unwrap().head;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();

    let mut removed = lines.clone();
    removed.remove(2);
    fs::write(&path, removed.concat()).unwrap();
    assert_eq!(read(&path).unwrap().problem.unwrap().line, 3);

    let mut moved = lines.clone();
    moved.swap(2, 3);
    fs::write(&path, moved.concat()).unwrap();
    assert_eq!(read(&path).unwrap().problem.unwrap().line, 3);

    fs::write(&path, lines[..4].concat()).unwrap();
    let (mut journal, _) = reopen(folder.path()).unwrap();
    append(
        &mut journal,
        run(RunEvent::RunFinished {
            result: RunResult::default(),
        }),
    )
    .unwrap();
    drop(journal);
    let rewritten = read(&path).unwrap();
    assert_eq!(
        rewritten.problem, None,
        "by itself a rewritten tail is a whole journal"
    );
    assert_eq!(rewritten.line_with_hash(&recorded), None);
}

#[test]
fn one_writer_and_the_second_is_told_who() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = create(folder.path());
    let error = reopen(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::Held { .. }));
    let told = error.fault().to_string();
    assert!(told.contains("alice on noc-3"), "{told}");
    assert!(
        told.contains(&format!("process {}", std::process::id())),
        "{told}"
    );
    assert!(
        read(&folder.path().join(FILE_NAME)).is_ok(),
        "readers need no lock"
    );
    assert_eq!(held_by(folder.path()).unwrap().unwrap().operator, "alice");
    drop(journal);
    assert_eq!(held_by(folder.path()).unwrap(), None);
    Holder::this("alice", "noc-3").note(folder.path());
    assert_eq!(
        held_by(folder.path()).unwrap(),
        None,
        "a note that was left behind"
    );
    assert!(reopen(folder.path()).is_ok());
    assert!(Journal::create(folder.path(), "alice", "noc-3").is_err());
}

#[test]
fn after_a_failed_write_nothing_is_appended_until_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = create(folder.path());
    journal.break_file();
    let failed = append(&mut journal, intended(1)).unwrap_err();
    assert!(matches!(failed, JournalError::Io { .. }), "{failed}");
    let again = append(&mut journal, intended(2)).unwrap_err();
    assert!(matches!(again, JournalError::Poisoned(_)), "{again}");
    drop(journal);
    let (mut journal, entries) = reopen(folder.path()).unwrap();
    assert_eq!(entries.len(), 1);
    append(&mut journal, intended(1)).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = first();
    if let RunEvent::RunStarted(info) = &mut record.event {
        info.format = 2;
        info.version = "7.1\u{1b}[31m".to_owned();
    }
    let mut journal = Journal::create(folder.path(), "alice", "noc-3").unwrap();
    append(&mut journal, record).unwrap();
    drop(journal);
    let path = folder.path().join(FILE_NAME);
    let before = fs::read(&path).unwrap();
    assert!(matches!(
        read(&path),
        Err(JournalError::Newer { format: 2, .. })
    ));
    let said = read(&path).unwrap_err().to_string();
    assert!(
        said.contains("written by Lifeboat 7.1[31m; this is"),
        "{said}"
    );
    assert!(matches!(
        reopen(folder.path()),
        Err(JournalError::Newer { format: 2, .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path().join("state"));
    let folder = store.create(start()).unwrap();
    drop(create(&folder.path));
    folder.write(&folder.runbook(), b"lifeboat: 1\n").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path), 0o700);
    assert_eq!(mode(store.root()), 0o700);
    assert_eq!(mode(&folder.journal()), 0o600);
    assert_eq!(mode(&folder.runbook()), 0o600);
}

#[test]
fn runs_are_listed_and_found() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path());
    assert!(
        store.list().unwrap().is_empty(),
        "a state folder that is not there holds no runs"
    );

    let open = store.create(start()).unwrap();
    let later: Timestamp = "2026-01-02T03:05:05Z".parse().unwrap();
    let ended = store.create(later).unwrap();
    let day_after: Timestamp = "2026-01-03T03:05:05Z".parse().unwrap();
    let broken = store.create(day_after).unwrap();
    fs::create_dir(store.runs().join("not-a-run")).unwrap();

    drop(create(&open.path));
    let (mut journal, _) = create(&ended.path);
    append(
        &mut journal,
        run(RunEvent::RunFinished {
            result: RunResult::default(),
        }),
    )
    .unwrap();
    // Much can be seen of a run that is over.
    for _ in 0..100 {
        let (by, text) = ("bob".to_owned(), "x".repeat(1 << 10));
        append(&mut journal, run(RunEvent::NoteAdded { by, text })).unwrap();
    }
    drop(journal);
    fs::write(broken.journal(), b"\xff\xfe").unwrap();
    let aborted = store
        .create("2026-01-02T03:04:09Z".parse().unwrap())
        .unwrap();
    let (mut journal, _) = create(&aborted.path);
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    append(&mut journal, run(RunEvent::DrillAborted { by, why })).unwrap();
    let why = "the drill was aborted".to_owned();
    append(&mut journal, run(RunEvent::RunDetached { why })).unwrap();
    drop(journal);

    let list = store.list().unwrap();
    let endings: Vec<_> = list
        .iter()
        .map(|run| (&run.folder.id, &run.ending))
        .collect();
    assert_eq!(
        endings,
        [
            (&broken.id, &Ending::Open),
            (&ended.id, &Ending::Finished),
            (&aborted.id, &Ending::Aborted),
            (&open.id, &Ending::Open)
        ]
    );
    assert_eq!(list[3].info.as_ref().unwrap().operator, "alice");
    let unfinished: Vec<_> = store
        .unfinished()
        .unwrap()
        .into_iter()
        .map(|run| run.folder)
        .collect();
    assert_eq!(unfinished, std::slice::from_ref(&open));

    assert_eq!(store.find(open.id.as_str()).unwrap(), open);
    assert_eq!(store.find(&open.id.as_str()[..15]).unwrap(), open);
    let suffix = open.id.as_str().rsplit('-').next().unwrap();
    assert_eq!(store.find(suffix).unwrap(), open);
    assert!(
        matches!(store.find("20260102"), Err(StoreError::Ambiguous { found, .. }) if found.len() == 3)
    );
    assert!(matches!(
        store.find("../etc"),
        Err(StoreError::Unknown { .. })
    ));
    assert!(matches!(store.find(""), Err(StoreError::Unknown { .. })));
}

#[test]
fn ten_thousand_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = create(folder.path());
    let began = Instant::now();
    // Synced like any other: the figure printed is dominated by the disk.
    for op in 0..300 {
        append(&mut journal, intended(op)).unwrap();
    }
    let each = began.elapsed() / 300;
    drop(journal);
    let bytes = journal_of(10_000);
    fs::write(folder.path().join(FILE_NAME), &bytes).unwrap();
    let began = Instant::now();
    let found = read(&folder.path().join(FILE_NAME)).unwrap();
    println!(
        "append {each:?} a line; 10,000 lines read and checked in {:?}",
        began.elapsed()
    );
    assert_eq!((found.entries.len(), found.problem), (10_000, None));
}

fn journal_of(lines: u64) -> Vec<u8> {
    let mut prev = ZERO_HASH.to_owned();
    let mut bytes = Vec::new();
    for seq in 1..=lines {
        let record = if seq == 1 { first() } else { intended(seq) };
        let entry = numbered(seq, record);
        let (line, hash) = super::line::encode(&entry, &prev).unwrap();
        bytes.extend(line.bytes());
        prev = hash;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, &bytes).unwrap();
        let found = read(&path).unwrap();
        prop_assert!(found.entries.is_empty());
        prop_assert_eq!(found.problem.is_some(), bytes.contains(&b'\n'));
    }

    #[test]
    fn any_text_survives(text in any::<String>(), evidence in proptest::collection::vec(any::<String>(), 0..4)) {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = create(folder.path());
        let note = append(&mut journal, run(RunEvent::NoteAdded { by: text.clone(), text })).unwrap();
        let done = append(&mut journal, of_step(RunEvent::StepDone { evidence })).unwrap();
        let found = read(&folder.path().join(FILE_NAME)).unwrap();
        prop_assert_eq!(&found.entries[1..], &[note, done]);
    }
}

#[test]
fn whoever_follows_sees_whole_lines_alone_even_where_one_is_torn_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = create(folder.path());
    let path = folder.path().join(FILE_NAME);
    let mut follower = Follower::open(&path).unwrap();
    assert_eq!(follower.journal().entries.len(), 1);
    assert!(follower.poll().unwrap().is_empty());
    drop(journal);

    let mut file = fs::File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"{\"seq\":2,\"at\"").unwrap();
    assert!(follower.poll().unwrap().is_empty());
    let (mut journal, _) = reopen(folder.path()).unwrap();
    assert!(follower.poll().unwrap().is_empty());
    for by in ["alice", "bob"] {
        let by = by.to_owned();
        append(&mut journal, run(RunEvent::RunPaused { by })).unwrap();
    }
    let seen: Vec<u64> = follower
        .poll()
        .unwrap()
        .iter()
        .map(|entry| entry.seq)
        .collect();
    assert_eq!(seen, [2, 3]);
    assert_eq!(follower.journal().head, journal.head());
}
