use super::*;

/// Lines as the first version wrote them: fields that came later are missing, and each has to be
/// readable for ever.
#[test]
fn events_of_older_journals_are_read() {
    let older = [
        r#"{"event":"run-resumed","data":{"operator":"bob","console":"noc-4"}}"#,
        r#"{"event":"probe-failed","data":{"fault":{"what":"w","place":"p","state":"s","next":"n"}}}"#,
        r#"{"event":"write-intended","data":{"op":1,"host":"lee-esx1","command":"mv a b"}}"#,
        r#"{"event":"write-finished","data":{"op":1,"exit":0,"took_ms":7}}"#,
        r#"{"event":"lost-stopped","data":{"op":1,"outcome":"never-sent"}}"#,
        r#"{"event":"step-confirmed","data":{"by":"alice","how":"person"}}"#,
        r#"{"event":"probe-answered","data":{"found":"f","verdict":{"verdict":"already-done","evidence":[]}}}"#,
        r#"{"event":"question-answered","data":{"by":"alice","label":"I Moved It","how":"pace"}}"#,
        r#"{"event":"runbook-corrected","data":{"by":"a","reason":"r","sha256":"s","plan":"p","file":"runbook.2.yaml"}}"#,
        r#"{"event":"step-started"}"#,
        r#"{"event":"chapter-opened","data":{"chapter":"cleanup","by":"alice","plan":"p"}}"#,
        r#"{"event":"run-finished","data":{"result":{"done":1,"by_hand":0,"skipped":0,"failed":0}}}"#,
    ];
    for line in older {
        let read = serde_json::from_str::<RunEvent>(line);
        assert!(read.is_ok(), "{line}: {read:?}");
    }
}

#[test]
fn a_cleanup_that_did_not_wait_says_for_what() {
    let line = r#"{"event":"chapter-opened","data":{"chapter":"cleanup","by":"alice","plan":"p","despite":"run x is not finished: no room"}}"#;
    let opened = serde_json::from_str::<RunEvent>(line).unwrap();
    assert_eq!(
        opened.by_people(),
        Some((
            "alice",
            "began the cleanup, although run x is not finished: no room".to_owned()
        ))
    );
}

#[test]
fn an_event_of_a_later_version_is_refused_and_not_passed_over() {
    let later = r#"{"event":"moon-landed","data":{}}"#;
    assert!(serde_json::from_str::<RunEvent>(later).is_err());
}
