//! Probes, and the verbs that are made of them: `check`, `wait`, `hand_off`.

use std::time::Duration;

use super::commands::argv;
use super::network::posix_host;
use super::texts::{Scope, check_addresses, template};
use super::vms::{host_and_port, http_target};
use super::{optional, pattern_within};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{Expect, HandOff, Look, Probe, VmSign, WaitSpec, Young};
use crate::runbook::reader::{At, Fields, Reader, Shape, kind_of};

pub(in crate::runbook) const VM: Shape = Shape::new(
    "a probe of a VM",
    &["vm"],
    &["power", "tools", "ready", "site"],
);
pub(in crate::runbook) const TCP: Shape = Shape::new("a tcp probe", &["tcp"], &["from"]);
pub(in crate::runbook) const HTTP: Shape =
    Shape::new("an http probe", &["http"], &["status", "from"]);
pub(in crate::runbook) const COMMAND: Shape = Shape::new(
    "a probe by a command",
    &["host", "argv"],
    &["equals", "matches", "at_least", "at_most"],
);
pub(in crate::runbook) const LOOK: Shape =
    Shape::new("a command to compare", &["host", "argv"], &[]);
pub(in crate::runbook) const COMPARE: Shape = Shape::new("a comparison", &["compare"], &[]);
pub(in crate::runbook) const POINT: Shape =
    Shape::new("a probe of restore points", &["point"], &[]);
pub(in crate::runbook) const AGE: Shape =
    Shape::new("a restore point's age", &["vm"], &["age", "since", "in"]);
pub(in crate::runbook) const ATTESTED: Shape = Shape::new(
    "an attestation with a date",
    &["attested", "dated", "every"],
    &["by"],
);
pub(in crate::runbook) const WAIT: Shape = Shape::new("a wait", &[], &["until", "for", "every"]);
pub(in crate::runbook) const HAND_OFF: Shape =
    Shape::new("a hand_off", &["to", "ask"], &["verify", "every"]);
pub(in crate::runbook) const POWER: [(&str, VmSign); 2] =
    [("on", VmSign::On), ("off", VmSign::Off)];

pub(in crate::runbook) const SINCE: [(&str, Young); 1] = [("move", Young::SinceMove)];

/// Every kind of probe by the key that tells it, and how one is written.
const KINDS: [&str; 7] = ["vm", "tcp", "http", "host", "compare", "point", "attested"];
const HINT: &str = "there are: { vm: \"${vm}\", tools: true }, { tcp: lee-bk1 }, { http: … }, { host: …, argv: […], equals: … }, { compare: […, …] }, { point: { vm: …, age: 24h } }, { point: { vm: …, in: BACKUP, since: move } }, { attested: …, dated: …, every: 90d }";

/// How often something is looked at where the runbook says nothing.
const EVERY: Duration = Duration::from_secs(10);

/// `check: PROBE`, or a list of them.
pub(super) fn check<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Vec<Probe>> {
    if !at.value.is_sequence() {
        return Some(vec![probe(at, scope, reader)?]);
    }
    let items = reader.list(at, "probes")?;
    if items.is_empty() {
        reader.report(at.node, "a check without probes would prove nothing", HINT);
        return None;
    }
    let probes: Vec<Option<Probe>> = items
        .into_iter()
        .map(|at| probe(at, scope, reader))
        .collect();
    probes.into_iter().collect()
}

/// `wait: 10m`, `wait: { until: … }` or `wait: { for: PROBE, every: 30s }`.
pub(super) fn wait<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<WaitSpec> {
    if !at.value.is_mapping() {
        return Some(WaitSpec::Span(reader.duration(at)?));
    }
    let fields = reader.fields(at, &WAIT)?;
    let every = optional(&fields, "every", reader, Reader::duration);
    match (fields.get("until"), fields.get("for")) {
        (None, Some(at)) => Some(WaitSpec::For {
            probe: probe(at, scope, reader)?,
            every: every.unwrap_or(EVERY),
        }),
        (Some(_), None) if every.is_some() => {
            reader.report(fields.key("every"), "`every` belongs to `for`", "");
            None
        }
        (Some(at), None) => Some(WaitSpec::Until(time(at, scope, reader)?)),
        _ => {
            let hint = "write wait: 10m, wait: { until: \"2026-01-02T03:04:05Z\" } or wait: { for: { vm: …, tools: true }, every: 30s }";
            reader.report(at.node, "a wait has `until` or `for`", hint);
            None
        }
    }
}

/// A time with its zone, or a variable that holds one.
fn time<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    let text = template(at, scope, reader)?;
    if text.contains("${") || text.parse::<jiff::Timestamp>().is_ok() {
        return Some(text);
    }
    let message = format!("`{}` is not a time with its zone", visible(&text));
    let hint = "write for example \"2026-01-02T03:04:05Z\"";
    reader.report(at.node, message, hint);
    None
}

/// `hand_off: { to: CONTACT, ask: …, verify: PROBE, every: 30s }`.
pub(super) fn hand_off<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<HandOff> {
    if !at.value.is_mapping() {
        let hint = "write hand_off: { to: Storage on call, ask: Promote the replica, verify: … }";
        let message = "`hand_off` must say to whom, and what they are asked";
        reader.report(at.node, message, hint);
        return None;
    }
    let fields = reader.fields(at, &HAND_OFF)?;
    let to = optional(&fields, "to", reader, |reader, at| {
        reader.reference(at, "contact", &scope.names.contacts)
    });
    let ask = optional(&fields, "ask", reader, |reader, at| {
        template(at, scope, reader)
    });
    let verify = match fields.get("verify") {
        Some(at) => Some(probe(at, scope, reader)?),
        None => None,
    };
    let every = optional(&fields, "every", reader, Reader::duration);
    if every.is_some() && verify.is_none() {
        reader.report(fields.key("every"), "`every` belongs to `verify`", "");
    }
    Some(HandOff {
        to: to?,
        ask: ask?,
        verify,
        every: every.unwrap_or(EVERY),
    })
}

/// One probe.
pub(super) fn probe<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let mut kinds = KINDS.iter().filter(|kind| at.value.get(**kind).is_some());
    let Some(kind) = kinds.next() else {
        let message = if at.value.is_mapping() {
            "a probe of no kind".to_owned()
        } else {
            format!("expected a probe, found {}", kind_of(at.value))
        };
        reader.report(at.node, message, HINT);
        return None;
    };
    match *kind {
        "vm" => vm_probe(at, scope, reader),
        "tcp" => tcp_probe(at, scope, reader),
        "http" => http_probe(at, scope, reader),
        "host" => command_probe(at, scope, reader),
        "compare" => compare(at, scope, reader),
        "point" => point(at, scope, reader),
        _ => attested(at, scope, reader),
    }
}

/// A VM to look at. It need not be the one at hand: to look at another one harms nobody.
fn looked_at<'a>(fields: &Fields<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    let at = fields.get("vm")?;
    let text = reader.raw_text(at)?;
    if text == "${vm}" {
        return template(at, scope, reader);
    }
    let vm: String = reader.reference(at, "VM", &scope.names.vms)?;
    if vm.contains('*') {
        let message = format!("`{}` is a pattern, not one VM", visible(&vm));
        reader.report(at.node, message, "name the VM");
        return None;
    }
    Some(vm)
}

fn vm_probe<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let fields = reader.fields(at, &VM)?;
    let vm = looked_at(&fields, scope, reader);
    let site = match fields.get("site") {
        Some(at) => Some(reader.reference(at, "site", &scope.names.sites)?),
        None => None,
    };
    let mut signs = Vec::new();
    if let Some(at) = fields.get("power") {
        signs.push(reader.one_of(at, "power state", &POWER, &[])?);
    }
    for (key, sign) in [("tools", VmSign::Tools), ("ready", VmSign::Ready)] {
        let Some(at) = fields.get(key) else { continue };
        if !reader.flag(at)? {
            let hint = "write true; { vm: …, power: off } looks whether it does not run";
            reader.report(
                at.node,
                format!("`{key}: false` is nothing to look at"),
                hint,
            );
            return None;
        }
        signs.push(sign);
    }
    match signs.as_slice() {
        [sign] => Some(Probe::Vm {
            vm: vm?,
            site,
            sign: *sign,
        }),
        _ => {
            let message = "a probe of a VM has one of `power`, `tools` and `ready`";
            reader.report(
                at.node,
                message,
                "write for example { vm: \"${vm}\", tools: true }",
            );
            None
        }
    }
}

fn tcp_probe<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let fields = reader.fields(at, &TCP)?;
    let from = optional(&fields, "from", reader, |reader, at| {
        posix_host(reader, at, scope.names)
    });
    let at = fields.get("tcp")?;
    let text = reader.text(at)?;
    let free = check_addresses(at.node, &text, scope.names, reader);
    let (host, port) = host_and_port(at, &text, reader)?;
    if port.is_none() && !scope.names.hosts.contains(&host) {
        let hint = "write a host of the runbook, or a name with its port: \"dns.example.net:53\"";
        reader.report(at.node, "a tcp probe needs a host and a port", hint);
        return None;
    }
    free.then_some(Probe::Tcp { host, port, from })
}

fn http_probe<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let fields = reader.fields(at, &HTTP)?;
    let (url, status, from) = http_target(&fields, scope.names, reader)?;
    let node = fields.get("http")?.node;
    let free = check_addresses(node, &url, scope.names, reader);
    free.then_some(Probe::Http { url, status, from })
}

/// A command that only looks: its host and its words.
pub(super) fn look<'a>(
    fields: &Fields<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Look> {
    let host = optional(fields, "host", reader, |reader, at| {
        reader.reference(at, "host", &scope.names.hosts)
    });
    let argv = optional(fields, "argv", reader, |reader, at| argv(at, scope, reader));
    Some(Look {
        host: host?,
        argv: argv?,
    })
}

fn command_probe<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let fields = reader.fields(at, &COMMAND)?;
    let look = look(&fields, scope, reader);
    let number = |key: &str, reader: &mut Reader<'a>| match fields.get(key) {
        None => Some(None),
        Some(at) => match at.value.as_f64() {
            Some(number) => Some(Some(number)),
            None => {
                let message = format!("`{key}` is a number, found {}", kind_of(at.value));
                reader.report(at.node, message, "");
                None
            }
        },
    };
    let (at_least, at_most) = (number("at_least", reader)?, number("at_most", reader)?);
    let equals = optional(&fields, "equals", reader, |reader, at| {
        template(at, scope, reader)
    });
    let matches = optional(&fields, "matches", reader, pattern_within);
    let bounds = at_least.or(at_most).is_some();
    if at_least
        .zip(at_most)
        .is_some_and(|(least, most)| least > most)
    {
        let message = "no number is that large and that small";
        let hint = "`at_least` is the smaller one";
        reader.report(fields.key("at_least"), message, hint);
        return None;
    }
    let said = [
        fields.get("equals").is_some(),
        fields.get("matches").is_some(),
        bounds,
    ];
    if said.iter().filter(|said| **said).count() > 1 {
        let message = "a probe expects one thing: `equals`, `matches`, or numbers";
        reader.report(at.node, message, "make two probes of it");
        return None;
    }
    let expect = match (equals, matches) {
        (Some(text), _) => Expect::Equals(text),
        (None, Some(pattern)) => Expect::Matches(pattern),
        (None, None) if bounds => Expect::Within { at_least, at_most },
        (None, None) => Expect::Success,
    };
    Some(Probe::Command {
        look: look?,
        expect,
    })
}

fn compare<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let at = reader.fields(at, &COMPARE)?.get("compare")?;
    let items = reader.list(at, "commands")?;
    let count = items.len();
    let mut looks = Vec::new();
    for at in items {
        let fields = reader.fields(at, &LOOK)?;
        looks.push(look(&fields, scope, reader)?);
    }
    match <[Look; 2]>::try_from(looks) {
        Ok(both) => Some(Probe::Compare(Box::new(both))),
        Err(_) => {
            let message = format!("two commands are compared, found {count}");
            let hint = "write compare: [{ host: …, argv: […] }, { host: …, argv: […] }]";
            reader.report(at.node, message, hint);
            None
        }
    }
}

fn point<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let at = reader.fields(at, &POINT)?.get("point")?;
    let fields = reader.fields(at, &AGE)?;
    let age = optional(&fields, "age", reader, Reader::duration);
    let since = optional(&fields, "since", reader, |reader, at| {
        reader.one_of(at, "beginning", &SINCE, &[])
    });
    let backup = match fields.get("in") {
        Some(at) => Some(reader.reference(at, "backup", &scope.names.backups)?),
        None => None,
    };
    if let (Some(_), Some(since)) = (fields.get("age"), fields.get("since")) {
        let hint = "leave one of them out";
        reader.report(since.node, "a point has an `age` or a `since`", hint);
        return None;
    }
    Some(Probe::Point {
        vm: looked_at(&fields, scope, reader)?,
        backup,
        young: since.unwrap_or(Young::Within(age)),
    })
}

fn attested<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Probe> {
    let fields = reader.fields(at, &ATTESTED)?;
    let text = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            template(at, scope, reader)
        })
    };
    let (what, by) = (text("attested", reader), text("by", reader));
    let every = optional(&fields, "every", reader, Reader::duration);
    let dated = text("dated", reader)?;
    if !dated.contains("${") && dated.parse::<jiff::civil::Date>().is_err() {
        let message = format!("`{}` is not a date", visible(&dated));
        let node = fields.get("dated").map_or(at.node, |at| at.node);
        reader.report(node, message, "write for example 2026-01-31");
        return None;
    }
    Some(Probe::Attested {
        what: what?,
        dated,
        by,
        every: every?,
    })
}
