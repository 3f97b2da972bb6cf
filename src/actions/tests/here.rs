//! `local`: commands on this machine, which no shell reads, which end in time and are found again.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::world::World;
use super::{RUNBOOK, lines, needed};
use crate::engine::{Performed, StopOutcome, Verdict};

/// The bundled runbook with these steps as its way out; `FOLDER` in them is a folder here.
async fn world(steps: &str) -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (sites, _) = RUNBOOK.split_once("\nfailover:\n").unwrap();
    let steps = steps.replace("FOLDER", &folder.path().to_string_lossy());
    let text = format!("{sites}\nfailover:\n  - phase: Here\n    steps:\n{steps}");
    let mut world = World::with(&text).await;
    // The commands of every test begin with number 1, and all work on this machine.
    let own = folder.path().file_name().unwrap().to_string_lossy();
    world.run_id = format!("{}{own}", world.run_id).into();
    (world, folder)
}

fn journal(world: &World) -> String {
    std::fs::read_to_string(world.run_dir().join("journal.jsonl")).unwrap()
}

/// Whether a process works that was started with these words.
fn works(words: &str) -> bool {
    let shown = words.replace(' ', "\0") + "\0";
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line == shown.as_bytes()
    })
}

async fn begun(what: &str) {
    while !works(what) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn gone(words: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while works(words) {
        assert!(Instant::now() < end, "{words} still works");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `sleep` for a time that nobody else on this machine sleeps for: other tests run beside this one,
/// and those of another checkout.
fn own_sleep() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sleep {}{count}", std::process::id())
}

#[tokio::test]
async fn no_shell_reads_the_words_and_a_script_gets_values_as_environment() {
    let (world, folder) = world(
        "      - local: { argv: [printf, '%s|%s', '$(touch FOLDER/x)', '; touch FOLDER/x ${ticket}'], effect: read }
      - local: { sh: 'echo \"$ticket $mode\"', effect: read }
",
    )
    .await;
    let said = world.go("here/-/local").await;
    let at = folder.path().display();
    assert!(
        said[0].ends_with(&format!("$(touch {at}/x)|; touch {at}/x INC000001")),
        "{said:?}"
    );
    assert!(!folder.path().join("x").exists());
    let said = world.go("here/-/local.2").await;
    assert!(said[0].ends_with("INC000001 failover"), "{said:?}");
    assert!(
        !journal(&world).contains("write-intended"),
        "they only look"
    );
    world.end().await;
}

#[tokio::test]
async fn a_write_is_announced_and_its_end_kept_with_the_sum_of_what_it_said() {
    let (world, folder) = world(
        "      - local: { argv: [cp, /dev/null, FOLDER/dns], effect: write, done_if: [test, -e, FOLDER/dns] }
      - local: { sh: 'printf \"\\033[2Jcleared\"; exit 3', effect: write, verify: ['false'] }
",
    )
    .await;
    let step = "here/-/local";
    let shown = world.probe(step).await;
    let proposal = needed(&shown);
    assert!(lines(proposal)[0].starts_with("cp /dev/null "));
    assert_eq!(
        proposal.commands[0].host.as_ref().unwrap().as_str(),
        "this machine"
    );
    assert!(matches!(world.perform(step).await, Performed::Done { .. }));
    assert!(folder.path().join("dns").exists());
    let kept = journal(&world);
    let announced = kept.find("write-intended").unwrap();
    assert!(announced < kept.find("write-finished").unwrap());
    assert!(kept.contains("\"host\":\"this machine\""), "{kept}");
    assert!(kept.contains("output_sha256"), "{kept}");
    let answer = world.probe(step).await;
    assert!(matches!(answer.verdict, Verdict::AlreadyDone { .. }));
    world.probe("here/-/local.2").await;
    let Performed::Failed(fault) = world.perform("here/-/local.2").await else {
        panic!("it ended with status 3")
    };
    assert!(fault.state.contains("status 3: cleared"), "{fault:?}");
    world.end().await;
}

#[tokio::test]
async fn what_takes_too_long_is_stopped_with_its_children_and_an_abort_kills_the_group() {
    let [one, two, three, four] = [(); 4].map(|()| own_sleep());
    let (world, _folder) = world(&format!(
        "      - local: {{ sh: '{one} & {two}', effect: write }}
        timeout: 1s
      - local: {{ argv: ['yes'], effect: read }}
        timeout: 1s
      - local: {{ sh: '{three} & {four}', effect: write }}
"
    ))
    .await;
    world.probe("here/-/local").await;
    assert!(matches!(
        world.perform("here/-/local").await,
        Performed::Lost
    ));
    gone(&one).await;
    gone(&two).await;
    assert_eq!(world.settle("here/-/local").await, [StopOutcome::Gone]);
    let again = world.probe("here/-/local").await;
    assert_eq!(needed(&again).typed.as_deref(), Some("send again"));
    world.probe("here/-/local.2").await;
    let Performed::Failed(fault) = world.perform("here/-/local.2").await else {
        panic!("it never ends by itself")
    };
    assert!(fault.what.contains("did not end in time"), "{fault:?}");
    let under_way = four.clone();
    let aborted = tokio::time::timeout(Duration::from_secs(60), async {
        let step = world.step("here/-/local.3");
        let confirmation = super::world::consent(needed(&world.probe("here/-/local.3").await));
        world
            .run(&step, Some(confirmation), |ctx| async move {
                tokio::select! {
                    performed = crate::actions::perform(&ctx) => Some(performed),
                    () = begun(&under_way) => None,
                }
            })
            .await
    });
    assert!(aborted.await.unwrap().is_none(), "it was under way");
    gone(&three).await;
    gone(&four).await;
    world.end().await;
}

/// A process that a console left behind when it was killed.
fn left_behind(mark: &str, words: &str) -> Child {
    let (program, argument) = words.split_once(' ').unwrap();
    Command::new(program)
        .arg(argument)
        .env("LIFEBOAT_WRITE", mark)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_a_killed_console_left_is_found_by_its_mark() {
    let [own, foreign] = [(); 2].map(|()| own_sleep());
    let (_, seconds) = own.split_once(' ').unwrap();
    let step = format!("      - local: {{ argv: [sleep, '{seconds}'], effect: write }}\n");
    let (world, _folder) = world(&step).await;
    let step = "here/-/local";
    let op = world.lose(step, "this machine", &own);
    let outcome = world.stop_lost(step, op).await.unwrap();
    assert_eq!(outcome, StopOutcome::Gone, "no process has its mark");
    let mut other = left_behind(&format!("{}:77", world.run_id), &foreign);
    let mut its = left_behind(&format!("{}:{op}", world.run_id), &own);
    let reaped = std::thread::spawn(move || its.wait().unwrap());
    let outcome = world.stop_lost(step, op).await.unwrap();
    assert_eq!(outcome, StopOutcome::Killed);
    assert!(!reaped.join().unwrap().success());
    assert!(works(&foreign), "it has another mark");
    other.kill().unwrap();
    other.wait().unwrap();
    world.end().await;
}
