//! Looking at one probe of the runbook: what it asks, in words, and what was seen.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex_lite::Regex;

use crate::clock::to_second;
use crate::engine::{Fact, ShownCommand, Verdict};
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output, sanitise};
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{BackupName, HostName, SiteName, VmName};
use crate::plan::Step;
use crate::runbook::model::{Expect, Look, Mode, PointChoice, Probe, VmSign, Young};
use crate::transfer::{self, Point, choose};

use super::action::Action;
use super::answer::shown;
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::ready::Ready;
use super::words::{one_line, size, span};
use super::{configuration, http, moving, reach, registered};

/// The longest part of an output that is repeated in a line.
const SHOWN: usize = 120;
/// What stands between a point and its age.
const TAKEN: &str = " was taken ";

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

/// A value that somebody can type: one line of it, and not a long one.
fn comparable(text: String) -> Looked {
    match (text.lines().count(), text.chars().count()) {
        (0, _) => Err("it printed nothing".to_owned()),
        (1, ..=SHOWN) => Ok(text),
        (1, long) => Err(format!(
            "it printed a line of {long} characters; to be compared it is one of at most {SHOWN}"
        )),
        (lines, _) => Err(format!(
            "it printed {lines} lines; to be compared it is one, of at most {SHOWN} characters"
        )),
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

/// What a probe asks, in words.
pub(super) fn in_words(probe: &Probe) -> String {
    match probe {
        Probe::Vm { vm, site, sign } => {
            let there = site.as_ref().map(|site| format!(" in {site}"));
            let sign = match sign {
                VmSign::On => "runs",
                VmSign::Off => "does not run",
                VmSign::Tools => "has its tools running",
                VmSign::Ready => "serves",
            };
            format!("{vm} {sign}{}", there.unwrap_or_default())
        }
        Probe::Tcp { host, port, .. } => {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{host}{port} accepts connections")
        }
        Probe::Http { url, status, .. } => format!("{url} answers {status}"),
        Probe::Command { look, expect } => {
            let of = line(look);
            match expect {
                Expect::Success => format!("{of} ends with status 0"),
                Expect::Equals(text) => format!("{of} prints {text}"),
                Expect::Matches(pattern) => format!("{of} prints something like {pattern}"),
                Expect::Within { at_least, at_most } => format!(
                    "{of} prints a number of {}",
                    match (at_least, at_most) {
                        (Some(least), Some(most)) => format!("{least} to {most}"),
                        (Some(least), None) => format!("at least {least}"),
                        (None, Some(most)) => format!("at most {most}"),
                        (None, None) => "any size".to_owned(),
                    }
                ),
            }
        }
        Probe::Compare(both) => {
            let [one, other] = both.as_ref();
            format!("{} and {} print the same", line(one), line(other))
        }
        Probe::Point { vm, backup, young } => {
            let of = backup.as_ref().map(|backup| format!(" in {backup}"));
            let of = of.unwrap_or_default();
            let young = match young {
                Young::Within(None) => "is not older than its RPO".to_owned(),
                Young::Within(Some(age)) => format!("is not older than {}", span(*age)),
                Young::SinceMove => "was taken since it moved".to_owned(),
            };
            format!("the newest sound restore point of {vm}{of} {young}")
        }
        Probe::Attested { what, every, .. } => {
            format!("{what}, at least every {}", span(*every))
        }
    }
}

/// The commands of the runbook that a probe sends.
pub(super) fn sends(probe: &Probe) -> Vec<ShownCommand> {
    let looks = probe.looks().iter();
    looks
        .map(|look| shown(&look.host, &HostCommand::read(look.argv.clone())))
        .collect()
}

/// A command of the runbook and where it runs.
pub(super) fn line(look: &Look) -> String {
    let line = HostCommand::read(look.argv.clone()).line();
    format!("{line} on {}", look.host)
}

type Looked = Result<String, String>;

async fn vm_sign(ctx: &Ctx, vm: &str, site: Option<&SiteName>, sign: VmSign) -> Looked {
    let vm = VmName::from(vm);
    let role = site.and_then(|site| ctx.runbook.sites.get(site));
    let step = Step {
        side: role.map_or(ctx.step.side, |site| site.role),
        ..Step::clone(&ctx.step)
    };
    vm_signs(ctx, &step, &vm, sign)
        .await
        .unwrap_or_else(|fault| Err(fault.what))
}

async fn vm_signs(ctx: &Ctx, step: &Step, vm: &VmName, sign: VmSign) -> Result<Looked, Fault> {
    if sign == VmSign::Ready {
        let ready = Ready::new(&ctx.runbook, step, vm)?;
        let answer = ready.decide(&ready.observe(ctx).await?);
        return Ok(match answer.verdict {
            Verdict::AlreadyDone { evidence } => Ok(evidence.join("; ")),
            Verdict::Needed(_) | Verdict::Blocked { .. } => Err(answer.found),
        });
    }
    let at = VmAt::of_step(&ctx.runbook, step, vm)?.with_facts(ctx);
    let at = configuration::name_vmx(ctx, at).await?;
    let entry = registered::look(ctx, &at, Lane::Control).await?.entry;
    let Some(entry) = entry else {
        let said = format!("it is not registered on {}", at.host);
        return Ok(if sign == VmSign::Off {
            Ok(said)
        } else {
            Err(said)
        });
    };
    let power = entry.power();
    let said = format!("power state {power} on {}", at.host);
    Ok(match (sign, power == PowerState::On) {
        (VmSign::On, true) | (VmSign::Off, false) => Ok(said),
        (VmSign::On | VmSign::Tools, false) | (VmSign::Off, true) => Err(said),
        (VmSign::Tools | VmSign::Ready, _) => {
            let command = commands::guest(entry.vmid);
            let doing = "reading what the guest's tools told";
            let guest = ctx
                .read(&at.host, Lane::Control, &command, Guest::parse, doing)
                .await?;
            if guest.tools_running {
                Ok("its tools run (get.guest)".to_owned())
            } else {
                let status = guest.tools_status.as_deref().unwrap_or("no status");
                Err(format!("its tools do not run ({status})"))
            }
        }
    })
}

/// What practice says of what lies outside its site.
const OUTSIDE: &str = "not asked: practice asks nothing outside the simulated site";

async fn tcp(ctx: &Ctx, host: &str, port: Option<u16>, from: Option<&HostName>) -> Looked {
    let listed = ctx.runbook.hosts.get(host).map(|host| &host.address);
    let address = listed.map_or(host, |its| its.host.as_str());
    let its_own = listed.map(|its| its.port);
    let Some(number) = port.or(its_own) else {
        return Err("no port is given".to_owned());
    };
    // The simulated host serves the one port at which it is reached.
    if is_outside(ctx, address) || (ctx.mode == Mode::Practice && port.is_some()) {
        return Ok(OUTSIDE.to_owned());
    }
    reach::ask_port(ctx, from, address, number).await.accepts()
}

async fn http_status(ctx: &Ctx, url: &str, status: u16, from: Option<&HostName>) -> Looked {
    if http::Url::parse(url).is_some_and(|url| is_outside(ctx, &url.host)) {
        return Ok(OUTSIDE.to_owned());
    }
    match http::status(ctx, from, url).await {
        Ok((got, by)) if got == status => Ok(format!("status {got} (asked by {by})")),
        Ok((got, by)) => Err(format!("status {got}, not {status} (asked by {by})")),
        Err(why) => Err(why),
    }
}

/// Whether practice leaves an address alone.
fn is_outside(ctx: &Ctx, host: &str) -> bool {
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    ctx.mode == Mode::Practice && !loopback
}

/// What a command says that ends with status 0.
async fn output(ctx: &Ctx, look: &Look, patience: Duration) -> Result<Output, String> {
    answer(ctx, &look.host, &asking(look, patience)).await
}

fn asking(look: &Look, patience: Duration) -> HostCommand {
    HostCommand::read(look.argv.clone()).deadline(patience)
}

async fn answer(ctx: &Ctx, name: &HostName, command: &HostCommand) -> Result<Output, String> {
    let host = ctx.host(name).map_err(|fault| fault.what)?;
    let output = host.read(Lane::Control, command).await;
    let output = output.map_err(|error| error.fault(name).what)?;
    if output.status == 0 {
        return Ok(output);
    }
    let complaint = sanitise::sanitise(&output.stderr);
    let said = if complaint.trim().is_empty() {
        printed(&output)
    } else {
        complaint
    };
    Err(format!("status {}: {}", output.status, short(&said)))
}

/// What was printed, without the white space around it.
fn printed(output: &Output) -> String {
    sanitise::sanitise(&output.stdout).trim().to_owned()
}

/// The same, if all of it was kept: its end may be what matters.
fn whole(output: &Output) -> Looked {
    if output.truncated {
        let kept = size(output.stdout.len() as u64);
        return Err(format!("it printed more than the {kept} that are kept"));
    }
    Ok(printed(output))
}

fn judge(text: &str, expect: &Expect) -> Looked {
    let said = short(text);
    let passed = match expect {
        Expect::Success => true,
        Expect::Equals(wanted) => text == wanted.trim(),
        Expect::Matches(pattern) => Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
        Expect::Within { at_least, at_most } => {
            let Some(number) = first_number(text) else {
                return Err(format!("no number in it: {said}"));
            };
            at_least.is_none_or(|least| number >= least)
                && at_most.is_none_or(|most| number <= most)
        }
    };
    if passed { Ok(said) } else { Err(said) }
}

/// The first number in a text: `3` of `lag: 3 s`.
fn first_number(text: &str) -> Option<f64> {
    let starts = |c: char| c.is_ascii_digit();
    let at = text.find(starts)?;
    let sign = if text[..at].ends_with('-') { -1.0 } else { 1.0 };
    let rest = &text[at..];
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(rest.len());
    let digits = rest[..end].trim_end_matches('.');
    digits.parse::<f64>().ok().map(|number| sign * number)
}

async fn compare(ctx: &Ctx, both: &[Look; 2], patience: Duration) -> Looked {
    let [one, other] = both;
    let told = |look: &Look, looked: Result<Output, String>| {
        let text = looked.and_then(|output| whole(&output));
        text.map_err(|why| format!("{} could not be asked: {why}", look.host))
    };
    let left = told(one, output(ctx, one, patience).await)?;
    let right = told(other, output(ctx, other, patience).await)?;
    if left == right {
        return Ok(format!("both print {}", short(&left)));
    }
    Err(format!(
        "{} prints {}, {} prints {}",
        one.host,
        short(&left),
        other.host,
        short(&right)
    ))
}

/// The backup that is given, or the VM's own.
fn backup_of<'b>(
    ctx: &'b Ctx,
    vm: &VmName,
    given: Option<&'b BackupName>,
) -> Result<&'b BackupName, String> {
    let own = || ctx.runbook.vms.get(vm)?.backup.as_ref();
    let backup = given.or_else(own);
    backup.ok_or_else(|| "the runbook gives it no backup".to_owned())
}

async fn point(ctx: &Ctx, vm: &str, backup: Option<&BackupName>, most: Option<Duration>) -> Looked {
    let name = VmName::from(vm);
    let backup = backup_of(ctx, &name, backup)?;
    let Some(most) = most.or_else(|| ctx.runbook.rpo(&name)) else {
        return Err("the runbook gives it no RPO and the check no age".to_owned());
    };
    let point = newest(ctx, &name, backup).await?;
    let info = ctx.state.info.as_ref();
    let until = info.and_then(|info| info.outage_at);
    let (until, of) = match until {
        Some(outage) if ctx.mode != Mode::Drill => (outage, "before the outage"),
        _ => (ctx.clock.now(), "ago"),
    };
    let old = Duration::try_from(point.stamp.age_at(until)).unwrap_or_default();
    let said = format!("{}{TAKEN}{} {of}", point.name, span(old));
    if old <= most { Ok(said) } else { Err(said) }
}

/// The newest sound point of a VM in a backup.
async fn newest(ctx: &Ctx, vm: &VmName, backup: &BackupName) -> Result<Point, String> {
    let Some(described) = ctx.runbook.backups.get(backup) else {
        return Err(format!("the runbook has no backup {backup}"));
    };
    let folder = moving::source(ctx, described, vm).map_err(|fault| fault.what)?;
    let points = if ctx.runbook.is_restored_by_file(vm) {
        transfer::points_of_files(&folder, vm.as_str()).await
    } else {
        transfer::points(&folder, vm.as_str()).await
    };
    let points = points.map_err(|fault| fault.what)?;
    let chosen = choose(&points, &PointChoice::Latest).map_err(|why| why.to_string())?;
    Ok(chosen.point.clone())
}

/// Whether a VM that moved is backed up where it runs now, and the fact that it is.
async fn protected_again(
    ctx: &Ctx,
    vm: &str,
    backup: Option<&BackupName>,
) -> Result<(String, Option<Fact>), String> {
    let vm = VmName::from(vm);
    let backup = backup_of(ctx, &vm, backup)?;
    let not_looked = |why: &str| Ok((format!("not looked at: {why}"), None));
    match ctx.mode {
        Mode::Drill => return not_looked("nothing backs up what a drill brought up"),
        Mode::Practice => return not_looked("the simulated site makes no backups"),
        Mode::Failover | Mode::Planned | Mode::Failback => {}
    }
    let Some(moved) = ctx.state.moved_at(&vm) else {
        return Err("this run has not moved it".to_owned());
    };
    let point = newest(ctx, &vm, backup).await?;
    let at = to_second(moved);
    let old = point.stamp.age_at(moved);
    if old.is_positive() {
        let before = span(Duration::try_from(old).unwrap_or_default());
        return Err(format!(
            "{}, the newest in {backup}, was taken {before} before it moved at {at}",
            point.name
        ));
    }
    let said = format!(
        "{} in {backup} was taken since it moved at {at}",
        point.name
    );
    let fact = Fact::ProtectedAgain {
        vm,
        backup: backup.clone(),
        point: point.name,
    };
    Ok((said, Some(fact)))
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

/// What was printed, in a line that can be read.
fn short(text: &str) -> String {
    one_line(text, SHOWN).unwrap_or_else(|| "nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_judged_as_the_runbook_expects() {
        let within = |at_least, at_most| Expect::Within { at_least, at_most };
        for (text, expect, passes) in [
            ("", Expect::Success, true),
            ("15.2", Expect::Equals(" 15.2 ".into()), true),
            ("15.20", Expect::Equals("15.2".into()), false),
            ("state: ok", Expect::Matches("ok$".into()), true),
            ("lag: 3 s", within(None, Some(5.0)), true),
            ("lag: 5.5 s", within(None, Some(5.0)), false),
            ("-2", within(Some(-3.0), Some(-1.0)), true),
            ("7.", within(Some(7.0), Some(7.0)), true),
            ("none", within(None, Some(5.0)), false),
        ] {
            assert_eq!(judge(text, &expect).is_ok(), passes, "{text:?} {expect:?}");
        }
    }

    #[test]
    fn only_a_line_that_can_be_typed_is_compared() {
        assert_eq!(comparable("14".into()).as_deref(), Ok("14"));
        for (text, why) in [
            (String::new(), "nothing"),
            ("1417\n1418".into(), "2 lines"),
            ("7".repeat(SHOWN + 1), "121 characters"),
        ] {
            let told = comparable(text).unwrap_err();
            assert!(told.contains(why) && !told.contains("141"), "{told}");
        }
    }

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
