//! What a step does: the verb and its argument.

use super::asks::asks;
use super::commands::{argv, command, local};
use super::optional;
use super::probes::{check, hand_off, wait};
use super::texts::{Scope, template};
use crate::names::{HostName, VmName};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{
    CommandLine, CommandSpec, DeclaredEffect, FileRestore, PointChoice, Verb, VerbName,
};
use crate::runbook::reader::{At, Fields, Reader, Shape, kind_of};
use crate::runbook::values;

pub(in crate::runbook) const ONE_VM: Shape = Shape::new("this verb's argument", &["vm"], &[]);
pub(in crate::runbook) const RESTORE: Shape = Shape::new("a restore", &["vm"], &["point", "logs"]);
pub(in crate::runbook) const BEFORE: Shape = Shape::new("a restore point", &["before"], &[]);
pub(in crate::runbook) const POWER_OFF: Shape = Shape::new("a power_off", &["vm"], &["site"]);
pub(in crate::runbook) const UNREGISTER: Shape = Shape::new("an unregister", &["vm", "site"], &[]);
pub(in crate::runbook) const RESTORE_FILES: Shape = Shape::new(
    "a restore_files",
    &["vm", "host", "quiesced", "argv"],
    &["from", "done_if", "verify"],
);

/// Reads a step's verb; `fields` is the whole step.
pub(super) fn verb<'a>(
    name: VerbName,
    at: At<'a>,
    fields: &Fields<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Verb> {
    Some(match name {
        VerbName::Confirm => {
            let question = template(at, scope, reader);
            let ask = optional(fields, "ask", reader, |reader, at| {
                Some(asks(at, scope, reader))
            });
            Verb::Confirm {
                question: question?,
                ask: ask.unwrap_or_default(),
            }
        }
        VerbName::Note => Verb::Note {
            text: template(at, scope, reader)?,
        },
        VerbName::Restore => return restore(at, scope, reader),
        VerbName::Unregister => return unregister(at, scope, reader),
        VerbName::FreeCapacity => Verb::FreeCapacity {
            vms: expendable(name, at, scope, reader)?,
        },
        VerbName::ReturnCapacity => Verb::ReturnCapacity {
            vms: expendable(name, at, scope, reader)?,
        },
        VerbName::RestoreFiles => Verb::RestoreFiles(restore_files(at, scope, reader)?),
        VerbName::Command => Verb::Command(command(at, scope, reader)?),
        VerbName::Local => Verb::Local(local(at, scope, reader)?),
        VerbName::Wait => Verb::Wait(wait(at, scope, reader)?),
        VerbName::Check => Verb::Check(check(at, scope, reader)?),
        VerbName::HandOff => Verb::HandOff(hand_off(at, scope, reader)?),
        VerbName::PowerOff => return power_off(at, scope, reader),
        VerbName::Fence => Verb::Fence {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::Replicate => Verb::Replicate {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::Register => Verb::Register {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::Network => Verb::Network {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::PowerOn => Verb::PowerOn {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::Ready => Verb::Ready {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::ShutDown => Verb::ShutDown {
            vm: one_vm(at, scope, reader)?,
        },
        VerbName::CopyBack => Verb::CopyBack {
            vm: one_vm(at, scope, reader)?,
        },
    })
}

/// `fence: "${vm}"` or `fence: { vm: "${vm}" }`.
fn one_vm<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    if at.value.is_mapping() {
        let fields = reader.fields(at, &ONE_VM)?;
        return vm_name(fields.get("vm")?, scope, reader);
    }
    vm_name(at, scope, reader)
}

fn power_off<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Verb> {
    if !at.value.is_mapping() {
        let vm = vm_name(at, scope, reader)?;
        return Some(Verb::PowerOff { vm, site: None });
    }
    let fields = reader.fields(at, &POWER_OFF)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let site = match fields.get("site") {
        Some(at) => Some(reader.reference(at, "site", &scope.names.sites)?),
        None => None,
    };
    Some(Verb::PowerOff { vm: vm?, site })
}

/// A VM of the runbook, or `${vm}` where a phase has one at hand.
pub(super) fn vm_name<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    let text = reader.raw_text(at)?;
    if text == "${vm}" {
        return template(at, scope, reader);
    }
    if text.contains("${") {
        let hint = "write \"${vm}\" in a phase with `for_each`, or a VM's name";
        reader.report(at.node, "a verb acts on one VM", hint);
    } else if !scope.names.vms.contains(text) {
        reader.unknown(
            at.node,
            "VM",
            text,
            scope.names.vms.iter().map(String::as_str),
        );
    } else if text.contains('*') {
        let message = format!("`{}` is a pattern, not one VM", visible(text));
        reader.report(at.node, message, "name the VM");
    } else if scope.has_vm {
        let message = format!("this step would act on {text} once for each VM of the phase");
        reader.report(
            at.node,
            message,
            "write \"${vm}\", or use a phase without `for_each`",
        );
    } else {
        return Some(text.to_owned());
    }
    None
}

/// VMs that make room for others, patterns among them: `["lab-*", test01]`.
fn expendable<'a>(
    verb: VerbName,
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Vec<VmName>> {
    let verb = verb.as_str();
    if scope.has_vm {
        let message = format!("`{verb}` is about all of its VMs at once");
        reader.report(at.node, message, "use it in a phase without `for_each`");
        return None;
    }
    let items = reader.list(at, "VMs")?;
    if items.is_empty() {
        reader.report(at.node, format!("`{verb}` without VMs"), "name some");
        return None;
    }
    let mut vms: Vec<VmName> = Vec::new();
    for at in items {
        let vm = reader.reference::<VmName>(at, "VM", &scope.names.vms)?;
        if !vms.contains(&vm) {
            vms.push(vm);
        }
    }
    Some(vms)
}

fn restore<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Verb> {
    if !at.value.is_mapping() {
        return Some(Verb::Restore {
            vm: vm_name(at, scope, reader)?,
            point: PointChoice::Latest,
            logs: false,
        });
    }
    let fields = reader.fields(at, &RESTORE)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let point = match fields.get("point") {
        Some(at) => point(at, reader)?,
        None => PointChoice::Latest,
    };
    let logs = optional(&fields, "logs", reader, Reader::flag);
    Some(Verb::Restore {
        vm: vm?,
        point,
        logs: logs.unwrap_or(false),
    })
}

fn restore_files<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<FileRestore> {
    if !at.value.is_mapping() {
        let hint = "write restore_files: { vm: …, host: …, quiesced: …, argv: [restic, …, \"${point}\", …] }";
        reader.report(
            at.node,
            "`restore_files` must say where, by what, and what was quiesced",
            hint,
        );
        return None;
    }
    let fields = reader.fields(at, &RESTORE_FILES)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let host = optional(&fields, "host", reader, |reader, at| {
        machine(at, scope, reader)
    });
    let from = match fields.get("from") {
        Some(at) => point(at, reader),
        None => Some(PointChoice::Latest),
    };
    let quiesced = optional(&fields, "quiesced", reader, |reader, at| {
        template(at, scope, reader)
    });
    let with_point = Scope {
        has_point: true,
        ..scope
    };
    let words = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            argv(at, with_point, reader)
        })
    };
    let argv = words("argv", reader);
    if let (Some(words), Some(at)) = (&argv, fields.get("argv")) {
        must_name_point(words, at, reader);
    }
    let (done_if, verify) = (words("done_if", reader), words("verify", reader));
    Some(FileRestore {
        vm: vm?,
        from: from?,
        quiesced: quiesced?,
        command: CommandSpec {
            host: host?,
            line: CommandLine::Argv(argv?),
            effect: DeclaredEffect::Write,
            done_if,
            verify,
            environment: Vec::new(),
        },
    })
}

/// The machine into which files are restored: no ESXi host.
fn machine<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<HostName> {
    let host: HostName = reader.reference(at, "host", &scope.names.hosts)?;
    if !scope.names.posix_hosts.contains(host.as_str()) {
        reader.report(
            at.node,
            format!("{host} is an ESXi host: files are restored into a guest"),
            "name the guest, or the physical server, as a posix host of the runbook",
        );
    }
    Some(host)
}

fn must_name_point<'a>(words: &[String], at: At<'a>, reader: &mut Reader<'a>) {
    if !words.iter().any(|word| word.contains("${point}")) {
        reader.report(
            at.node,
            "the same files would come whatever point is chosen",
            "write ${point} where the tool takes the id of a snapshot or archive",
        );
    }
}

fn point<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<PointChoice> {
    const HINT: &str = "there are: latest, 20260102T030405Z, { before: \"2026-01-02T03:04:05Z\" }";
    if at.value.is_mapping() {
        let at = reader.fields(at, &BEFORE)?.get("before")?;
        let time = reader.text(at)?;
        if time.parse::<jiff::Timestamp>().is_err() {
            let message = format!("`{}` is not a time with its zone", visible(&time));
            reader.report(
                at.node,
                message,
                "write for example \"2026-01-02T03:04:05Z\"",
            );
            return None;
        }
        return Some(PointChoice::Before(time));
    }
    match at.value.as_str() {
        Some("latest") => Some(PointChoice::Latest),
        Some(stamp) if values::is_stamp(stamp) => Some(PointChoice::Stamp(stamp.to_owned())),
        Some(other) => {
            reader.report(
                at.node,
                format!("`{}` is not a restore point", visible(other)),
                HINT,
            );
            None
        }
        None => {
            let message = format!("expected a restore point, found {}", kind_of(at.value));
            reader.report(at.node, message, HINT);
            None
        }
    }
}

fn unregister<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Verb> {
    if at.value.is_string() {
        let hint = "write unregister: { vm: \"${vm}\", site: … }";
        reader.report(at.node, "`unregister` must say at which site", hint);
        return None;
    }
    let fields = reader.fields(at, &UNREGISTER)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let site = optional(&fields, "site", reader, |reader, at| {
        reader.reference(at, "site", &scope.names.sites)
    });
    Some(Verb::Unregister {
        vm: vm?,
        site: site?,
    })
}
