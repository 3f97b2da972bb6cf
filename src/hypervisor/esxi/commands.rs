//! Every command line that goes to an ESXi host. No argument is ever pasted into text: words are
//! quoted one by one when they are sent, scripts are constant and take `$1` ….
//!
//! `vmsvc/destroy` is missing on purpose: it deletes the VM's files.

use std::time::Duration;

use super::Vmid;
use super::autostart::AutostartEntry;
use crate::host::{Effect, HostCommand};
pub use crate::runbook::model::DiskFormat;

/// `power.on` returns when the VM is on, or when its question is answered; a busy host takes
/// minutes.
pub const POWER_ON_DEADLINE: Duration = Duration::from_secs(360);
/// Output that is kept of a command that answers in a few lines, in bytes.
const SHORT: usize = 64 << 10;
/// hostd opens and reads files of a datastore for these.
const SLOW: Duration = Duration::from_secs(120);
/// A clone runs as long as it takes; whoever waits for it watches its progress instead.
pub const CLONE_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

fn vim(words: &[&str]) -> Vec<String> {
    std::iter::once("vim-cmd")
        .chain(words.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// Prints a list of `esxcli` as csv, and as text where csv is refused; then `$1`, if it is any, as
/// the proof of the end.
const LIST: &str = r#"end=$1; shift
out=$(esxcli --formatter=csv "$@" 2>/dev/null) || out=Usage:
case $out in *Usage:*) out=$(esxcli "$@") || { s=$?; printf '%s\n' "$out"; exit $s; };; esac
printf '%s\n' "$out"
if [ -n "$end" ]; then echo "$end"; fi"#;

fn esxcli_list(end: &str, words: &[&str]) -> HostCommand {
    HostCommand::script(Effect::Read, LIST, [&[end], words].concat())
}

fn vmsvc(verb: &str, vmid: Vmid) -> Vec<String> {
    vim(&[&format!("vmsvc/{verb}"), &vmid.to_string()])
}

/// Everything in the inventory.
#[must_use]
pub fn getallvms() -> HostCommand {
    HostCommand::read(vim(&["vmsvc/getallvms"])).shared()
}

/// hostd's own list of registered files, invalid entries included; answered without hostd.
#[must_use]
pub fn vm_inventory() -> HostCommand {
    HostCommand::read(["cat", "/etc/vmware/hostd/vmInventory.xml"])
}

/// What hostd knows of a VM in one page.
#[must_use]
pub fn summary(vmid: Vmid) -> HostCommand {
    HostCommand::read(vmsvc("get.summary", vmid)).shared()
}

/// What the guest's tools told last.
#[must_use]
pub fn guest(vmid: Vmid) -> HostCommand {
    HostCommand::read(vmsvc("get.guest", vmid))
}

/// A VM's devices as hostd sees them.
#[must_use]
pub fn devices(vmid: Vmid) -> HostCommand {
    HostCommand::read(vmsvc("device.getdevices", vmid))
}

/// Plugs a device of a running VM in, by its key in [`devices`]. Its .vmx stays as it is.
#[must_use]
pub fn connect_device(vmid: Vmid, key: u64) -> HostCommand {
    let mut words = vmsvc("device.connection", vmid);
    words.extend([key.to_string(), "1".to_owned()]);
    HostCommand::write(words)
}

/// The question that a VM waits on, if it does.
#[must_use]
pub fn question(vmid: Vmid) -> HostCommand {
    HostCommand::read(vmsvc("message", vmid)).max_output(SHORT)
}

/// Answers a question by the number of a choice as that very question lists it.
#[must_use]
pub fn answer(vmid: Vmid, question_id: &str, choice: u32) -> HostCommand {
    let mut words = vmsvc("message", vmid);
    words.push(question_id.to_owned());
    words.push(choice.to_string());
    HostCommand::write(words)
}

/// Puts a .vmx into the inventory under its own display name.
#[must_use]
pub fn register(vmx_path: &str) -> HostCommand {
    HostCommand::write(vim(&["solo/registervm", vmx_path])).deadline(SLOW)
}

/// Takes a VM out of the inventory; its files stay.
#[must_use]
pub fn unregister(vmid: Vmid) -> HostCommand {
    HostCommand::write(vmsvc("unregister", vmid)).deadline(SLOW)
}

/// Makes hostd read a registered VM's .vmx again.
#[must_use]
pub fn reload(vmid: Vmid) -> HostCommand {
    HostCommand::write(vmsvc("reload", vmid)).deadline(SLOW)
}

/// Powers a VM on. It does not return while the VM waits on a question.
#[must_use]
pub fn power_on(vmid: Vmid) -> HostCommand {
    HostCommand::write(vmsvc("power.on", vmid)).deadline(POWER_ON_DEADLINE)
}

/// Powers a VM off at once, without asking its guest.
#[must_use]
pub fn power_off(vmid: Vmid) -> HostCommand {
    HostCommand::write(vmsvc("power.off", vmid)).deadline(SLOW)
}

/// Asks a VM's guest to shut down; returns at once.
#[must_use]
pub fn shutdown_guest(vmid: Vmid) -> HostCommand {
    HostCommand::write(vmsvc("power.shutdown", vmid))
}

/// Whether a line, as it is shown, stops a VM: [`power_off`] or [`shutdown_guest`].
#[must_use]
pub fn stops_vm(line: &str) -> bool {
    let stops = ["vim-cmd vmsvc/power.off ", "vim-cmd vmsvc/power.shutdown "];
    stops.iter().any(|begin| line.starts_with(begin))
}

/// Ids of a VM's recent tasks.
#[must_use]
pub fn tasks(vmid: Vmid) -> HostCommand {
    HostCommand::read(vmsvc("get.tasklist", vmid))
}

/// One task's state and error, by its key without `vim.Task:`.
#[must_use]
pub fn task_info(key: &str) -> HostCommand {
    HostCommand::read(vim(&["vimsvc/task_info", key]))
}

/// The order in which VMs start with the host.
#[must_use]
pub fn autostart() -> HostCommand {
    HostCommand::read(vim(&["hostsvc/autostartmanager/get_autostartseq"])).shared()
}

/// Stops a VM from starting with the host.
#[must_use]
pub fn update_autostart_remove(vmid: Vmid) -> HostCommand {
    autostart_entry(&[], vmid, &["none", "0", "0", "none", "0", "yes"])
}

/// Puts back an autostart entry as it was read before. The order of the words is startAction,
/// startDelay, startOrder, stopAction, stopDelay, waitForHeartbeat. A host takes a word with a dash in
/// front for an option, `-1` too, unless `ends` ends the options before; there are `vim-cmd`s that do not
/// know that.
#[must_use]
pub fn update_autostart_restore(vmid: Vmid, entry: &AutostartEntry, ends: bool) -> HostCommand {
    let words = entry.words();
    let end: &[&str] = if ends { &["--"] } else { &[] };
    autostart_entry(end, vmid, &words.each_ref().map(String::as_str))
}

fn autostart_entry(end: &[&str], vmid: Vmid, words: &[&str]) -> HostCommand {
    let vmid = vmid.to_string();
    let verb: &[&str] = &["hostsvc/autostartmanager/update_autostartentry"];
    HostCommand::write(vim(&[verb, end, &[&vmid], words].concat()))
}

/// The host's hardware, load and uptime.
#[must_use]
pub fn host_summary() -> HostCommand {
    HostCommand::read(vim(&["hostsvc/hostsummary"]))
}

/// Product, version and build; answered without hostd.
#[must_use]
pub fn version() -> HostCommand {
    HostCommand::read(["vmware", "-v"]).max_output(SHORT)
}

/// The running VMs, then a line that proves that the list came to its end: an empty list alone
/// looks the same as a swallowed error.
#[must_use]
pub fn running() -> HostCommand {
    esxcli_list(super::process::SENTINEL, &["vm", "process", "list"]).shared()
}

/// The mounted volumes with sizes.
#[must_use]
pub fn volumes() -> HostCommand {
    esxcli_list("", &["storage", "filesystem", "list"]).shared()
}

/// The modules of the VMkernel, loaded or not.
#[must_use]
pub fn modules() -> HostCommand {
    esxcli_list("", &["system", "module", "list"])
}

/// Copies of VMFS volumes that the host sees and has not mounted: replicas, snapshots.
#[must_use]
pub fn replicas() -> HostCommand {
    esxcli_list("", &["storage", "vmfs", "snapshot", "list"])
}

/// The NFS shares of version 3 that the host has mounted.
#[must_use]
pub fn nfs_mounts() -> HostCommand {
    esxcli_list("", &["storage", "nfs", "list"])
}

/// The NFS shares of version 4.1 that the host has mounted, from 6.0 on.
#[must_use]
pub fn nfs41_mounts() -> HostCommand {
    esxcli_list("", &["storage", "nfs41", "list"])
}

/// The licences that the host runs on.
#[must_use]
pub fn licences() -> HostCommand {
    HostCommand::read(vim(&["vimsvc/license", "--show"])).max_output(SHORT)
}

/// Whether the agent of a vCenter runs here; answered without hostd.
#[must_use]
pub fn vcenter_agent() -> HostCommand {
    HostCommand::read(["/etc/init.d/vpxa", "status"]).max_output(SHORT)
}

/// The standard switches' port groups.
#[must_use]
pub fn port_groups() -> HostCommand {
    esxcli_list("", &["network", "vswitch", "standard", "portgroup", "list"])
}

/// The standard switches.
#[must_use]
pub fn vswitches() -> HostCommand {
    esxcli_list("", &["network", "vswitch", "standard", "list"])
}

/// The physical adapters, whose MACs sign locks.
#[must_use]
pub fn nics() -> HostCommand {
    esxcli_list("", &["network", "nic", "list"]).shared()
}

/// Prints the lines of .vmx files that match `$1`, each file behind a line of its own, and that line once
/// more at the end. Their paths are read, one a line: those of a host with some hundred VMs are too long
/// for a command line. A file that cannot be read may be about to get its name back: the script waits up
/// to three seconds, all files together, and says then why it could not.
const VMX_LINES: &str = r#"left=3
while IFS= read -r f; do
  echo file
  while lines=$(grep -i -E "$1" "$f" 2>&1); s=$?; [ $s -gt 1 ] && [ $left -gt 0 ]; do
    left=$((left - 1)); sleep 1
  done
  if [ $s -gt 1 ]; then printf 'unread %s\n' "$lines"
  elif [ -n "$lines" ]; then printf '%s\n' "$lines"; fi
done
echo file"#;

/// The lines that make a VM one of a kind.
const IDENTITY: &str = r"^[[:space:]]*(uuid\.(bios|action)|ethernet[0-9]+\.(present|address|addresstype|generatedaddress))[[:space:]]*=";
/// The lines that say what a VM's adapters are joined to.
const JOINED: &str = r"^[[:space:]]*(\.encoding|ethernet[0-9]+\.(present|networkname|startconnected|dvs\.[a-z]+|opaquenetwork\.[a-z]+))[[:space:]]*=";

/// What makes the VMs of these .vmx files one of a kind.
#[must_use]
pub fn identities(vmx_paths: &[String]) -> HostCommand {
    vmx_lines(IDENTITY, vmx_paths)
}

/// What the adapters of the VMs of these .vmx files are joined to.
#[must_use]
pub fn joined(vmx_paths: &[String]) -> HostCommand {
    vmx_lines(JOINED, vmx_paths)
}

fn vmx_lines(pattern: &str, paths: &[String]) -> HostCommand {
    let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
    HostCommand::script(Effect::Read, VMX_LINES, [pattern])
        .stdin(lines)
        .max_output(16 * SHORT)
}

/// The host's own adapters on its networks (`vmk0` …).
#[must_use]
pub fn vmknics() -> HostCommand {
    esxcli_list("", &["network", "ip", "interface", "list"]).shared()
}

fn portgroup(words: &[&str]) -> HostCommand {
    let head = ["esxcli", "network", "vswitch", "standard", "portgroup"];
    HostCommand::write([&head, words].concat())
}

/// Adds a standard switch, without uplinks.
#[must_use]
pub fn vswitch_add(name: &str) -> HostCommand {
    HostCommand::write([
        "esxcli", "network", "vswitch", "standard", "add", "-v", name,
    ])
}

/// Adds a port group to a standard switch, without VLAN.
#[must_use]
pub fn portgroup_add(name: &str, vswitch: &str) -> HostCommand {
    portgroup(&["add", "-p", name, "-v", vswitch])
}

/// Sets a port group's VLAN: 0 none, 1 to 4094, 4095 all of them.
#[must_use]
pub fn portgroup_set_vlan(name: &str, vlan: u16) -> HostCommand {
    portgroup(&["set", "-p", name, "--vlan-id", &vlan.to_string()])
}

/// Removes a port group from a standard switch. The host refuses it while it is in use.
#[must_use]
pub fn portgroup_remove(name: &str, vswitch: &str) -> HostCommand {
    portgroup(&["remove", "-p", name, "-v", vswitch])
}

/// Removes a standard switch. The host refuses it while it is in use.
#[must_use]
pub fn vswitch_remove(name: &str) -> HostCommand {
    HostCommand::write([
        "esxcli", "network", "vswitch", "standard", "remove", "-v", name,
    ])
}

/// Clones a disk by its descriptor; of a snapshot it reads the whole chain and writes one flat
/// disk. It gives the clone a new CID. Refused by the host where the target exists.
#[must_use]
pub fn clone_disk(source: &str, target: &str, format: DiskFormat) -> HostCommand {
    HostCommand::write(["vmkfstools", "-i", source, "-d", format.as_str(), target])
        .deadline(CLONE_DEADLINE)
}

/// Renames a disk: descriptor, extents and the names in the descriptor.
#[must_use]
pub fn rename_disk(old: &str, new: &str) -> HostCommand {
    HostCommand::write(["vmkfstools", "-E", old, new]).deadline(SLOW)
}

/// Checks that a disk's chain of snapshots fits together.
#[must_use]
pub fn check_disk_chain(descriptor: &str) -> HostCommand {
    HostCommand::read(["vmkfstools", "-e", descriptor]).deadline(SLOW)
}

/// Who locks a file.
#[must_use]
pub fn lock(path: &str) -> HostCommand {
    HostCommand::read(["vmkfstools", "-D", path]).max_output(SHORT)
}

/// Prints the lock of each file that a running VM holds, in the folders `$1` …; NFS version 3 keeps
/// locks as hidden files instead. A last line proves the end.
const FOLDER_LOCKS: &str = r#"for d in "$@"; do
  for f in "$d"/*.vmx "$d"/*.vswp "$d"/*-flat.vmdk "$d"/*-delta.vmdk "$d"/*-sesparse.vmdk "$d"/.lck-*; do
    [ -e "$f" ] || continue
    echo "file $f"
    case "$f" in */.lck-*) ;; *) vmkfstools -D "$f" 2>&1;; esac
  done
done
echo end"#;

/// Who locks the files of VMs' folders; a folder that is not there has none.
#[must_use]
pub fn folder_locks(folders: &[String]) -> HostCommand {
    HostCommand::script(
        Effect::Read,
        FOLDER_LOCKS,
        folders.iter().map(String::as_str),
    )
    .max_output(4 * SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_quoted_word_by_word() {
        let line = register("/vmfs/volumes/ds 1/it's $(x)/a b.vmx").line();
        assert_eq!(
            shell_words::split(&line).unwrap()[2],
            "/vmfs/volumes/ds 1/it's $(x)/a b.vmx"
        );
        assert_eq!(
            portgroup_set_vlan("VM Network", 42).line(),
            "esxcli network vswitch standard portgroup set -p 'VM Network' --vlan-id 42"
        );
        assert_eq!(
            answer(Vmid(80), "_vmx1", 2).line(),
            "vim-cmd vmsvc/message 80 _vmx1 2"
        );
        assert_eq!(
            update_autostart_remove(Vmid(3)).line(),
            "vim-cmd hostsvc/autostartmanager/update_autostartentry 3 none 0 0 none 0 yes"
        );
    }

    /// Status and output of the list of running VMs over such an `esxcli`.
    fn listed(esxcli: &str) -> (Option<i32>, String) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("esxcli");
        std::fs::write(&path, format!("#!/bin/sh\n{esxcli}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut shell = std::process::Command::new("sh");
        let paths = format!(
            "{}:{}",
            dir.path().display(),
            std::env::var("PATH").unwrap()
        );
        let ran = shell
            .env("PATH", paths)
            .args(&running().words()[1..])
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    }

    #[test]
    fn text_is_read_where_csv_is_refused() {
        let end = super::super::process::SENTINEL;
        let refused = |status: u8| {
            let said = "echo 'Error: Invalid option'; echo 'Usage: esxcli [options]'";
            format!("case $1 in -*) {said}; exit {status};; esac; echo \"$@\"")
        };
        for status in [0, 1] {
            let text = format!("vm process list\n{end}\n");
            assert_eq!(listed(&refused(status)), (Some(0), text));
        }
        let csv = format!("--formatter=csv vm process list\n{end}\n");
        assert_eq!(listed("echo \"$@\""), (Some(0), csv));
        let down = "echo 'Connect to localhost failed: Connection failure'; exit 1";
        let said = "Connect to localhost failed: Connection failure\n";
        assert_eq!(listed(down), (Some(1), said.to_owned()));
    }

    #[test]
    fn reads_are_reads_and_writes_are_writes() {
        let reads = [
            getallvms(),
            summary(Vmid(1)),
            guest(Vmid(1)),
            devices(Vmid(1)),
            question(Vmid(1)),
            tasks(Vmid(1)),
            task_info("x"),
            autostart(),
            host_summary(),
            version(),
            running(),
            volumes(),
            modules(),
            port_groups(),
            vswitches(),
            replicas(),
            licences(),
            vcenter_agent(),
            nics(),
            lock("/x"),
            folder_locks(&["/x".to_owned()]),
            vmknics(),
            identities(&["/x".to_owned()]),
            joined(&["/x".to_owned()]),
            check_disk_chain("/x"),
        ];
        assert!(reads.iter().all(|command| command.effect() == Effect::Read));
        let writes = [
            answer(Vmid(1), "1", 0),
            register("/x"),
            unregister(Vmid(1)),
            reload(Vmid(1)),
            power_on(Vmid(1)),
            power_off(Vmid(1)),
            shutdown_guest(Vmid(1)),
            update_autostart_remove(Vmid(1)),
            vswitch_add("a"),
            portgroup_add("a", "b"),
            portgroup_set_vlan("a", 1),
            clone_disk("a", "b", DiskFormat::Thin),
            rename_disk("a", "b"),
        ];
        assert!(
            writes
                .iter()
                .all(|command| command.effect() == Effect::Write)
        );
        assert_eq!(power_on(Vmid(1)).time_limit(), POWER_ON_DEADLINE);
    }
}
