//! Runs beside those before them, and drills that are due.

use super::*;
use crate::report::{DrillDue, Reached, trend};

fn reached(run: &str, minutes: Option<i64>, objective: Option<i64>) -> Reached {
    let measure = Measure {
        objective: objective.map(SignedDuration::from_hours),
        actual: minutes.map(SignedDuration::from_mins),
    };
    Reached {
        run: run.into(),
        rto: measure.into(),
    }
}

#[test]
fn each_run_is_compared_with_the_last_one_that_came_to_serve() {
    let lines = trend(&[
        reached("20260102-030405-aaaa", Some(130), Some(2)),
        reached("20260402-030405-bbbb", None, Some(2)),
        reached("20260702-030405-cccc", Some(60), Some(2)),
        reached("20260902-030405-dddd", Some(60), None),
        reached("20261002-030405-eeee", Some(61), Some(2)),
    ]);
    assert_eq!(
        lines,
        [
            "20260102-030405-aaaa      2h 10m of 2h 00m  [##########] missed",
            "20260402-030405-bbbb not reached of 2h 00m",
            "20260702-030405-cccc      1h 00m of 2h 00m  [#####-----]        1h 10m shorter",
            "20260902-030405-dddd      1h 00m                                as long",
            "20261002-030405-eeee      1h 01m of 2h 00m  [#####-----]        1m 00s longer",
        ]
    );
}

#[test]
fn what_a_run_reached_is_its_sets_rto() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    for (vm, minute) in [("sql01", 10), ("app01", 20), ("web01", 30)] {
        serves(&mut case, minute, "failover", "recover", vm);
    }
    let reached = Reached::of(&case.report()).unwrap();
    assert_eq!(reached.rto.actual, Some(SignedDuration::from_mins(30)));
    assert_eq!(reached.rto.grade, Some(Grade::Within));
}

#[test]
fn a_drill_is_due_so_long_after_the_last_one() {
    let every = Duration::from_secs(90 * 86_400);
    let day = |text: &str| text.parse::<Timestamp>().unwrap();
    let last = Some(day("2026-01-02T03:00:00Z"));
    let due = |now| DrillDue::new(last, every, day(now)).to_string();
    assert_eq!(due("2026-04-02T02:59:59Z"), "next drill due by 2026-04-02");
    assert_eq!(
        due("2026-04-02T03:00:01Z"),
        "drill overdue since 2026-04-02"
    );
    let never = DrillDue::new(None, every, day("2026-04-02T03:00:00Z"));
    assert_eq!(never.to_string(), "never drilled");
}
