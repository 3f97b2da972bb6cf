//! Faults in the replies of `vim-cmd` and `esxcli`.
//!
//! Both print their faults on **stdout**, and older builds with exit status 0, so a reply has
//! failed if its status is not 0, or if a line of its head begins with `(vim.fault.` or
//! `(vmodl.fault.`, or if it is one of the texts below. Only the head is looked at: what a person
//! wrote into a VM's notes stands further down and may look like anything.

use super::Vmid;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, said, whole};

/// Lines of a reply's head. A fault comes after one line of preface (`Powering on VM:`) at most.
const HEAD: usize = 6;

/// Beginnings of lines that mean that hostd could not be reached (captured on 4.x to 6.x).
const HOSTD_DOWN: [&str; 2] = ["Failed to login:", "Connect to localhost failed"];

/// Checks that a reply is whole and reports neither a fault nor an unreachable hostd.
///
/// # Errors
///
/// The fault that the host named, else [`DriverFault::Failed`] for any status but 0.
pub fn check(output: &Output) -> Result<(), DriverFault> {
    whole(output)?;
    for text in [output.text(), output.error_text()] {
        if let Some(fault) = named_fault(&text) {
            return Err(fault);
        }
    }
    match output.status {
        0 => Ok(()),
        127 => Err(DriverFault::ToolMissing {
            tool: "vim-cmd or esxcli".into(),
            text: said(output),
        }),
        status => Err(DriverFault::Failed {
            status,
            text: said(output),
        }),
    }
}

/// Checks the reply of a command that prints nothing when it succeeds (unregister, reload, add,
/// set …): besides [`check`], no text that complains. What stands on stderr beside status 0 is a
/// warning (`VmFileSystem: SlowRefresh() failed: …` about some volume or other); whether the command
/// took effect is seen by the look that follows it.
///
/// # Errors
///
/// As [`check`]; [`DriverFault::Failed`] with status 0 for a complaint.
pub fn check_silent(output: &Output) -> Result<(), DriverFault> {
    check(output)?;
    let text = output.text();
    let lower = text.to_ascii_lowercase();
    let complaints = [
        "fail",
        "error",
        ".fault.",
        "unable",
        "invalid",
        "already exists",
        "not found",
    ];
    if complaints.iter().any(|word| lower.contains(word)) {
        return Err(DriverFault::Failed {
            status: output.status,
            text: excerpt(&text),
        });
    }
    Ok(())
}

/// The fault that the head of a text names.
fn named_fault(text: &str) -> Option<DriverFault> {
    let mut offset = 0;
    let mut seen = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        if HOSTD_DOWN
            .iter()
            .any(|beginning| line.starts_with(beginning))
        {
            return Some(DriverFault::HostdDown {
                text: excerpt(line),
            });
        }
        if line.starts_with("Error: ") || line.starts_with("terminate called") {
            return Some(DriverFault::Failed {
                status: 1,
                text: excerpt(&text[start..]),
            });
        }
        if line.starts_with("(vim.fault.") || line.starts_with("(vmodl.fault.") {
            return Some(fault_value(&text[start..]));
        }
        seen += 1;
        if line.starts_with('(') || line.starts_with("Vmid") || seen == HEAD {
            return None;
        }
    }
    None
}

/// A fault from its text; one that was cut off is still a fault.
fn fault_value(text: &str) -> DriverFault {
    let value = Value::parse_prefix(text).map(|(value, _)| value);
    let name = value
        .as_ref()
        .and_then(Value::type_name)
        .unwrap_or_default()
        .to_owned();
    let field = |name: &str| {
        value
            .as_ref()
            .and_then(|value| value.get(name).text())
            .map(excerpt)
    };
    let message = field("msg").unwrap_or_else(|| excerpt(text));
    match name.rsplit('.').next().unwrap_or_default() {
        "NotFound" | "ManagedObjectNotFound" => DriverFault::NotFound { message },
        "AlreadyExists" => DriverFault::AlreadyExists {
            vmid: field("name").and_then(|name| name.parse().ok()).map(Vmid),
            message,
        },
        "InvalidPowerState" => DriverFault::PowerState {
            existing: field("existingState").unwrap_or_else(|| "in another state".to_owned()),
            message,
        },
        // The type is a text of the host like any other.
        _ => DriverFault::Refused {
            name: excerpt(&name),
            message,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(status: i32, stdout: &str) -> Output {
        Output {
            status,
            ..Output::of(stdout)
        }
    }

    #[test]
    fn faults_stand_on_stdout_and_count_with_status_0() {
        let old = "(vim.fault.NotFound) {\n   dynamicType = <unset>, \n   faultCause = (vmodl.MethodFault) null, \n   msg = \"Unable to find a VM corresponding to \"9\"\", \n}\n";
        let new = "(vim.fault.NotFound) {\n   faultCause = (vmodl.MethodFault) null,\n   faultMessage = <unset>\n   msg = \"Unable to find a VM corresponding to \"9\"\"\n}\n";
        for text in [old, new] {
            for status in [0, 1] {
                let fault = check(&reply(status, text)).unwrap_err();
                let message = "Unable to find a VM corresponding to \"9\"".to_owned();
                assert_eq!(fault, DriverFault::NotFound { message });
            }
        }
        let gone = "(vmodl.fault.ManagedObjectNotFound) {\nobj = 'vim.Task:1',\nmsg = \"gone\",\n}";
        assert_eq!(
            check(&reply(0, gone)),
            Err(DriverFault::NotFound {
                message: "gone".into()
            })
        );
    }

    #[test]
    fn already_exists_carries_the_existing_id() {
        let text = "(vim.fault.AlreadyExists) {\n   name = \"51\",\n   msg = \"The specified key, name, or identifier '51' already exists.\"\n}\n";
        match check(&reply(1, text)).unwrap_err() {
            DriverFault::AlreadyExists { vmid, message } => {
                assert_eq!(vmid, Some(Vmid(51)));
                assert!(message.contains("'51'"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_after_a_preface_counts_and_one_that_is_cut_off_too() {
        let text = "Powering on VM:\n(vim.fault.InvalidPowerState) {\n  requestedState = \"poweredOn\",\n  existingState = \"poweredOn\",\n  msg = \"no\",\n}";
        let wanted = DriverFault::PowerState {
            existing: "poweredOn".into(),
            message: "no".into(),
        };
        assert_eq!(check(&reply(0, text)), Err(wanted));
        let cut = check(&reply(
            0,
            "(vim.fault.InsufficientResourcesFault) {\n  msg = \"memo",
        ))
        .unwrap_err();
        assert!(
            matches!(cut, DriverFault::Refused { name, .. } if name.ends_with("ResourcesFault"))
        );
    }

    #[test]
    fn hostd_down_is_known_in_all_its_forms() {
        for text in [
            "Failed to login: Connection reset by peer\n",
            "Failed to login: SSL Exception: The SSL handshake timed out local: 127.0.0.1:5 peer: 127.0.0.1:443.\n",
            "Failed to login: Invalid response code: 400 Bad Request\n",
            "Connect to localhost failed: Connection failure\n",
        ] {
            for output in [
                reply(0, text),
                reply(1, text),
                Output {
                    status: 1,
                    stderr: text.into(),
                    ..Output::default()
                },
            ] {
                let fault = check(&output).unwrap_err();
                assert!(matches!(fault, DriverFault::HostdDown { .. }), "{fault:?}");
                assert!(
                    fault
                        .fault("reading", "lee-esx1", "nothing changed")
                        .passing
                );
            }
        }
    }

    #[test]
    fn what_stands_in_a_note_is_no_fault() {
        let summary = "Listsummary:\n\n(vim.vm.Summary) {\n   annotation = \"x\n(vim.fault.NotFound) {\nFailed to login: y\", \n}\n";
        assert_eq!(check(&reply(0, summary)), Ok(()));
        let list = "Vmid   Name   File   Guest OS   Version   Annotation\n1  a  [d] a/a.vmx  x  vmx-08  n\n(vim.fault.NotFound) {\n";
        assert_eq!(check(&reply(0, list)), Ok(()));
    }

    #[test]
    fn silent_commands_may_not_complain() {
        assert_eq!(check_silent(&reply(0, "")), Ok(()));
        assert_eq!(check_silent(&reply(0, "answered with the default")), Ok(()));
        assert!(check_silent(&reply(0, "A portgroup with the name x already exists")).is_err());
        assert!(check_silent(&reply(1, "")).is_err());
        let mut warned = Output {
            stderr:
                "VmFileSystem: SlowRefresh() failed: Unable to get FS Attrs for /vmfs/volumes/x\n"
                    .into(),
            ..reply(0, "")
        };
        assert_eq!(check_silent(&warned), Ok(()));
        warned.status = 1;
        assert!(check_silent(&warned).is_err());
        let typed = check_silent(&reply(
            1,
            "Error: While processing '--vlan-id'. Argument type mismatch.\n\nUsage: esxcli",
        ));
        assert!(
            matches!(typed, Err(DriverFault::Failed { text, .. }) if text.contains("--vlan-id"))
        );
    }

    #[test]
    fn a_missing_tool_and_a_cut_reply_are_told_apart() {
        assert!(matches!(
            check(&reply(127, "")),
            Err(DriverFault::ToolMissing { .. })
        ));
        let cut = Output {
            truncated: true,
            ..reply(0, "Vmid")
        };
        assert!(matches!(check(&cut), Err(DriverFault::Cut { .. })));
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_short(status in -1i32..300, text in "(\\(vim.fault.X\\) \\{\n)?.{0,300}\n.{0,2000}") {
            if let Err(fault) = check(&reply(status, &text)) {
                prop_assert!(fault.to_string().chars().count() < 1000);
            }
        }
    }
}
