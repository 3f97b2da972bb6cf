//! Where restore points come from, and machines whose files are restored.

use super::*;

#[test]
fn a_secret_is_not_promised_to_a_script() {
    let with = |script: &str| {
        let step = format!("      - local: {{ sh: '{script}' }}\n");
        with_backup("{ host: lee-bk1, path: /vault }", &step)
    };
    let found = listed(&problems(&with("curl -d \"$pin\" x")));
    assert!(
        found.contains("the secret `pin` does not reach a script"),
        "{found}"
    );
    let other = with("pinned=1; echo $pinned $$");
    assert_eq!(valid(&other).backups.len(), 2, "another name");
}

/// `SMALL` with one more backup, and a VM with it; `more` are further steps.
fn with_backup(backup: &str, more: &str) -> String {
    format!(
        "{}vms:\n{}failover:\n  - phase: All\n    steps:\n      - note: hello\n{more}",
        SMALL.replace(
            "backups: { nightly: { host: lee-bk1, path: /backup } }",
            &format!("backups:\n  nightly: {{ host: lee-bk1, path: /backup }}\n  vault: {backup}"),
        ),
        vm("sql01", "").replace("backup: nightly", "backup: vault"),
    )
}

#[test]
fn a_backup_may_be_what_a_tool_prints() {
    let restic = "{ host: lee-bk1, restic: { repository: /srv/repo, path: \"/vms/${vm}\", password: \"${pin}\" } }";
    let runbook = valid(&with_backup(restic, ""));
    let tool = runbook.backups["vault"].tool().unwrap();
    assert_eq!(
        tool.environment,
        [("RESTIC_PASSWORD".to_owned(), VariableName::from("pin"))]
    );
    assert_eq!(tool.points[..2], ["restic", "--no-lock"]);
    let borg = "{ borg: { repository: /srv/attic, path: vms, archives: \"${vm}-*\" } }";
    assert!(
        valid(&with_backup(borg, "")).backups["vault"]
            .host
            .is_none()
    );
    let command = "{ host: lee-bk1, command: { points: [ls, \"/p/${vm}\"], files: [cat, \"/p/${vm}/${point}/FILES\"], \
        file: [zcat, \"/p/${vm}/${point}/${file}.gz\"], environment: { KEY_1: \"${pin}\" } } }";
    assert_eq!(
        valid(&with_backup(command, "")).backups["vault"]
            .tool()
            .unwrap()
            .file,
        ["zcat", "/p/${vm}/${point}/${file}.gz"]
    );
}

#[test]
fn a_backup_that_could_not_work_says_why() {
    for (backup, expected) in [
        ("{ host: lee-bk1 }", "a backup of no form"),
        (
            "{ path: /x, borg: { repository: r, path: \"${vm}\" } }",
            "a backup has one form",
        ),
        (
            "{ host: lee-esx1, borg: { repository: r, path: \"${vm}\" } }",
            "no backup tool runs there",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\" } }",
            "restic needs one of `password` and `password_file`",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\", password: \"${ticket}\" } }",
            "the variable `ticket` is not a secret",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\", password: hunter2 } }",
            "a password does not stand in a runbook",
        ),
        (
            "{ restic: { repository: r, path: /vms, password_file: /k } }",
            "every VM would get the same files",
        ),
        (
            "{ borg: { repository: r, path: \"/vms/${vm}\" } }",
            "without a leading `/`",
        ),
        (
            "{ borg: { repository: r, path: \"${vm}/${file}\" } }",
            "`${file}` has no meaning here",
        ),
        (
            "{ command: { points: ls, files: [cat, \"${vm}${point}\"], file: [zcat, \"${point}${file}\"] } }",
            "a command is a list of words",
        ),
        (
            "{ command: { points: [ls, \"${vm}\"], files: [cat, x], file: [zcat, \"${point}\"] } }",
            "`files` prints the same whatever `${point}` is",
        ),
    ] {
        let found = listed(&problems(&with_backup(backup, "")));
        assert!(found.contains(expected), "{backup}: {found}");
    }
}

#[test]
fn files_are_restored_into_a_machine_that_is_there() {
    let backup =
        "{ host: lee-bk1, restic: { repository: r, path: \"/${vm}\", password_file: /k } }";
    let step = |fields: &str| {
        with_backup(
            backup,
            &format!("      - restore_files: {{ vm: sql01, {fields} }}\n"),
        )
    };
    let runbook = valid(&step(
        "host: lee-bk1, quiesced: dumped, from: 20260102T030405Z, argv: [restic, restore, \"${point}\"]",
    ));
    let Verb::RestoreFiles(files) = &runbook.failover[0].steps[1].verb else {
        panic!()
    };
    assert_eq!(files.from, PointChoice::Stamp("20260102T030405Z".into()));
    assert_eq!(files.command.effect, DeclaredEffect::Write);
    for (fields, expected) in [
        (
            "host: lee-bk1, argv: [restic, \"${point}\"]",
            "needs the key `quiesced`",
        ),
        (
            "host: lee-esx1, quiesced: x, argv: [restic, \"${point}\"]",
            "lee-esx1 is an ESXi host",
        ),
        (
            "host: lee-bk1, quiesced: x, argv: [restic, latest]",
            "whatever point is chosen",
        ),
        (
            "host: lee-bk1, quiesced: \"${point}\", argv: [restic, \"${point}\"]",
            "unknown variable `point`",
        ),
    ] {
        let found = listed(&problems(&step(fields)));
        assert!(found.contains(expected), "{fields}: {found}");
    }
}
