//! Looking at one probe of the runbook: what it asks, in words, and what was seen.

mod asked;
mod points;
mod printed;
mod reached;
mod vm;

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engine::{Fact, ShownCommand};
use crate::host::HostCommand;
use crate::runbook::model::{Expect, Probe, Young};

use super::answer::shown;
use super::context::Ctx;
use super::link::ActError;
use points::{TAKEN, point, protected_again};
use printed::{answer, asking, comparable, compare, judge, output, printed, whole};
use reached::{http_status, tcp};
use vm::vm_sign;

pub(super) use asked::{in_words, line};

/// What was seen where it is as expected; else what was seen, or why nothing was.
type Looked = Result<String, String>;

/// What a probe showed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// What was asked, in words.
    pub asked: String,
    /// Whether it is as expected.
    pub passed: bool,
    /// What was seen, or why nothing was.
    pub said: String,
    /// What the run may keep as proven by it.
    pub proves: Option<Fact>,
}

impl Seen {
    /// Keeps what it proves, now that a step counts on it.
    ///
    /// # Errors
    /// The run no longer waits for this action.
    pub async fn keep(&self, ctx: &Ctx) -> Result<(), ActError> {
        let Some(fact) = &self.proves else {
            return Ok(());
        };
        ctx.keep_once(fact.clone(), |kept| kept == fact).await
    }

    /// `lee-bk1 accepts connections: no reply (asked by the console)`.
    pub fn line(&self) -> String {
        format!("{}: {}", self.asked, self.said)
    }
}

/// Looks. What could not be asked is not as expected.
pub(super) async fn look(ctx: &Ctx, probe: &Probe, patience: Duration) -> Seen {
    let mut proves = None;
    let looked = match probe {
        Probe::Vm { vm, site, sign } => vm_sign(ctx, vm, site.as_ref(), *sign).await,
        Probe::Tcp { host, port, from } => tcp(ctx, host, *port, from.as_ref()).await,
        Probe::Http { url, status, from } => http_status(ctx, url, *status, from.as_ref()).await,
        Probe::Command { look, expect } => match output(ctx, look, patience).await {
            // What it printed is not looked at.
            Ok(output) if *expect == Expect::Success => judge(&printed(&output), expect),
            Ok(output) => whole(&output).and_then(|text| judge(&text, expect)),
            Err(why) => Err(why),
        },
        Probe::Compare(both) => compare(ctx, both, patience).await,
        Probe::Point {
            vm,
            backup,
            young: Young::Within(most),
        } => point(ctx, vm, backup.as_ref(), *most).await,
        Probe::Point {
            vm,
            backup,
            young: Young::SinceMove,
        } => {
            let looked = protected_again(ctx, vm, backup.as_ref()).await;
            looked.map(|(said, fact)| {
                proves = fact;
                said
            })
        }
        Probe::Attested {
            dated, by, every, ..
        } => {
            let today = ctx.clock.now().to_zoned(TimeZone::UTC).date();
            attested(today, dated, by.as_deref(), *every)
        }
    };
    Seen {
        asked: in_words(probe),
        passed: looked.is_ok(),
        said: looked.unwrap_or_else(|why| why),
        proves,
    }
}

/// What the one command of a probe prints, to be compared with what somebody reads elsewhere.
/// Nobody is told it until then.
pub(super) async fn print(ctx: &Ctx, probe: &Probe, patience: Duration) -> Seen {
    let printed = match probe.looks() {
        [look] => {
            let command = asking(look, patience).untold();
            let output = answer(ctx, &look.host, &command).await;
            output.and_then(|output| whole(&output))
        }
        _ => Err("it is not one command".to_owned()),
    };
    let printed = printed.and_then(comparable);
    let asked = probe.looks().iter().map(line);
    Seen {
        asked: asked.collect::<Vec<_>>().join(", "),
        passed: printed.is_ok(),
        said: printed.unwrap_or_else(|why| why),
        proves: None,
    }
}

/// What of a line about a probe lasts while people talk it over: a point grows older, and a number is
/// as good as any other that the runbook allows.
pub(super) fn lasting<'l>(probe: &Probe, line: &'l str) -> &'l str {
    match probe {
        Probe::Point { .. } => line
            .rsplit_once(TAKEN)
            .map_or(line, |(point_and_before, _)| point_and_before),
        Probe::Command {
            expect: Expect::Within { .. },
            ..
        } => "",
        _ => line,
    }
}

/// Whether a look by this probe may prove something that the run keeps.
pub(super) fn may_prove(probe: &Probe) -> bool {
    let young = Young::SinceMove;
    matches!(probe, Probe::Point { young: its, .. } if *its == young)
}

/// The commands of the runbook that a probe sends.
pub(super) fn sends(probe: &Probe) -> Vec<ShownCommand> {
    let looks = probe.looks().iter();
    looks
        .map(|look| shown(&look.host, &HostCommand::read(look.argv.clone())))
        .collect()
}

fn attested(today: Date, dated: &str, by: Option<&str>, every: Duration) -> Looked {
    let date: Date = dated
        .parse()
        .map_err(|_| format!("{dated:?} is not a date"))?;
    let days = i64::from(date.until(today).map_or(0, |past| past.get_days()));
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    let said = format!("attested{by} on {date}");
    let every = i64::try_from(every.as_secs() / 86_400).unwrap_or(i64::MAX);
    match days {
        days if days < 0 => Err(format!("{said}, which is still to come")),
        days if days > every => Err(format!("{said}, {days} days ago")),
        days => Ok(format!("{said}, {days} days ago")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_grows_older_is_the_same_and_another_is_not() {
        let point = Probe::Point {
            vm: "sql01".into(),
            backup: None,
            young: Young::Within(None),
        };
        let said = |point: &str, age: &str| format!("{point}{TAKEN}{age} ago");
        let [one, later, other] = [said("p1", "6h"), said("p1", "7h"), said("p2", "6h")];
        assert_eq!(lasting(&point, &one), lasting(&point, &later));
        assert_ne!(lasting(&point, &one), lasting(&point, &other));
    }

    #[test]
    fn an_attestation_ages() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let every = Duration::from_secs(90 * 86_400);
        let on = |today: &str| attested(day(today), "2026-01-01", Some("Anna"), every);
        assert_eq!(
            on("2026-04-01").unwrap(),
            "attested by Anna on 2026-01-01, 90 days ago"
        );
        assert!(on("2026-04-02").is_err());
        assert!(on("2025-12-31").unwrap_err().contains("still to come"));
    }
}
