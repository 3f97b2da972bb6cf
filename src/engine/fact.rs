//! Things that became known in a run and outlive the step that found them: the report, the undo,
//! the failback and a resumed console read them back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::copies::RestingFile;
use super::taken_home::TakenBy;
use crate::names::{BackupName, HostName, NetworkName, RunId, VmName};

/// One thing worth keeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The datastore that its name meant when it was first used; another UUID later holds the run.
    DatastoreSeen {
        /// Host.
        host: HostName,
        /// What the runbook calls it: its label, or its UUID.
        label: String,
        /// Volume UUID.
        uuid: String,
    },
    /// The run sets its lock beside a VM's folder or on a host: on disk before the command leaves, so that the
    /// run's end looks for it whatever became of that command.
    LockWanted {
        /// On which VM; none where it keeps what the runbook's commands do on the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vm: Option<VmName>,
        /// Where.
        host: HostName,
        /// The lock's folder.
        path: String,
    },
    /// A person has the lock of another run broken; on disk before the command leaves.
    LockBroken {
        /// On which VM; none where it keeps what the runbook's commands do on the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vm: Option<VmName>,
        /// Where.
        host: HostName,
        /// The lock's folder.
        path: String,
        /// Whose it was, in words.
        holder: String,
        /// Who broke it.
        by: String,
        /// Why, in their words.
        reason: String,
    },
    /// A lock of the run is gone.
    LockReleased {
        /// On which VM; none where it keeps what the runbook's commands do on the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vm: Option<VmName>,
        /// Where.
        host: HostName,
        /// The lock's folder.
        path: String,
        /// What was seen: `removed`, `was not there`, `had been broken by …`.
        how: String,
    },
    /// The restore point that is used.
    PointChosen {
        /// For which VM.
        vm: VmName,
        /// From which backup.
        backup: BackupName,
        /// Its stamp.
        stamp: String,
        /// Its folder.
        path: String,
        /// When it was taken.
        taken: Timestamp,
        /// Whether sums recorded with it are checked (else: `source unverified`).
        verified: bool,
        /// The .vmx file's name within it.
        vmx: String,
    },
    /// What a restore that begins is going to take, for those that begin after it.
    RoomCounted {
        /// For which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// What the runbook calls the datastore.
        label: String,
        /// Bytes of its files at their fullest.
        bytes: u64,
        /// Bytes of its swap file at power-on.
        swap: u64,
    },
    /// The restore point whose files a command brings into a machine that is there.
    FilesChosen {
        /// For which VM or server.
        vm: VmName,
        /// Into which host of the runbook.
        host: HostName,
        /// From which backup.
        backup: BackupName,
        /// Its stamp.
        stamp: String,
        /// What the command is given for it.
        point: String,
        /// When it was taken.
        taken: Timestamp,
        /// What was quiesced when it was taken, in the runbook's words.
        quiesced: String,
    },
    /// A person chose another restore point than the runbook does.
    PointPicked {
        /// For which VM.
        vm: VmName,
        /// Its folder's name.
        point: String,
        /// Who.
        by: String,
        /// What the runbook would have taken, or why it would have taken none.
        instead_of: String,
        /// In the person's words; empty where they gave none.
        why: String,
    },
    /// A file of the restore point that is used has another sum than was recorded with the point.
    PointCorrupt {
        /// For which VM.
        vm: VmName,
        /// Of which backup.
        backup: BackupName,
        /// The point's stamp.
        stamp: String,
        /// The point's folder.
        path: String,
        /// The file.
        file: String,
        /// Where it lies.
        place: String,
        /// Lower-case hex, as it came to.
        sum: String,
        /// Lower-case hex, as recorded.
        recorded: String,
    },
    /// A file stands under its final name with a proven sum.
    FilePlaced {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Final path.
        path: String,
        /// Its size.
        bytes: u64,
        /// Lower-case hex, as computed by the destination.
        sha256: String,
        /// How it was proven, for people: `sha256sum on lee-esx1`, `vmkfstools -i, checked with -e`.
        proof: String,
    },
    /// A folder that this run made.
    FolderMade {
        /// Where.
        host: HostName,
        /// Which.
        path: String,
    },
    /// An original that was renamed aside and is kept until commit.
    OriginalKept {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its name before.
        path: String,
        /// Its name now.
        aside: String,
        /// Its size when it was renamed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bytes: Option<u64>,
    },
    /// The old bytes of a .vmx that was edited, kept in the run's folder.
    ConfigKept {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// The file on the host.
        path: String,
        /// The copy, relative to the run's folder.
        copy: String,
        /// Of the old bytes.
        sha256: String,
    },
    /// A VM's host was made to read its .vmx: what it had seen of it before counts no more.
    ConfigRead {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// The file on the host.
        path: String,
    },
    /// A drill's cleanup left this folder with the VM's disks, for a live restore to start from.
    DisksKept {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Which.
        folder: String,
    },
    /// A disk was made from a clone of the one that a drill had kept, and only what differs was sent.
    Seeded {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Which drill.
        drill: RunId,
        /// The file's name.
        file: String,
        /// Its size.
        bytes: u64,
        /// Bytes that were sent of it; of attempts that came to no end, what they had announced.
        sent: u64,
    },
    /// The VM stands in a host's inventory by this run's doing.
    Registered {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// The .vmx.
        vmx: String,
        /// Its uuid.bios, normalised to 32 hex digits.
        uuid_bios: String,
    },
    /// A port group that this run made.
    PortGroupMade {
        /// Where.
        host: HostName,
        /// Its name.
        name: String,
        /// On which switch.
        vswitch: String,
        /// VLAN id.
        vlan: u16,
    },
    /// A virtual switch that this run made.
    VswitchMade {
        /// Where.
        host: HostName,
        /// Its name.
        name: String,
    },
    /// What a drill keeps a VM apart by, as its host showed it.
    IsolationSeen {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// What was seen, one line each.
        lines: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// A rung of the readiness ladder that nothing outside a drill's isolation can reach.
    RungNotProvable {
        /// Which VM.
        vm: VmName,
        /// The rung in words.
        rung: String,
    },
    /// An adapter's port group before and after.
    AdapterJoined {
        /// Which VM.
        vm: VmName,
        /// `ethernet0`.
        adapter: String,
        /// The runbook's network.
        network: NetworkName,
        /// Port group before, if any.
        before: Option<String>,
        /// Port group now.
        after: String,
    },
    /// An autostart entry that `fence` took away; `power_on` in a failback puts it back.
    AutostartRemoved {
        /// Whose.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its fields.
        entry: AutostartEntry,
    },
    /// That entry is in the host's list again.
    AutostartRestored {
        /// Whose.
        vm: VmName,
        /// Where.
        host: HostName,
    },
    /// A VM that runs is about to be stopped: on disk before the first command leaves, so that
    /// whoever takes the run back knows what ran before it, whatever became of that command.
    StopWanted {
        /// Which VM.
        vm: VmName,
        /// Where it runs.
        host: HostName,
        /// Its .vmx, as the host names it.
        vmx: String,
    },
    /// The guest of an expendable VM was asked to shut down, and the VM runs on: it is powered off
    /// only if somebody says so.
    ShutdownUnheeded {
        /// Its name there.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its .vmx, as the host names it; older journals do not tell it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        vmx: String,
        /// Why: `its guest did not shut down within 5m`.
        why: String,
    },
    /// An expendable VM was stopped to free capacity; it is started again after.
    CapacityFreed {
        /// Where.
        host: HostName,
        /// Its name there.
        name: VmName,
        /// Its .vmx, as the host names it.
        vmx: String,
        /// How it was stopped.
        how: String,
    },
    /// The VM was seen off at a site, or was stopped there.
    Stopped {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// How: `shut down by the guest`, `powered off after 5m`, `found off`, `not registered`.
        how: String,
        /// Since when (RPO of a failback counts from here).
        at: Timestamp,
    },
    /// What was asked about the VM at the other site, and what came back (promise 3).
    OwnershipEvidence {
        /// Which VM.
        vm: VmName,
        /// One line for each source.
        lines: Vec<String>,
        /// Whether it is whole: every listed host answered no, and an independent sign agrees.
        whole: bool,
        /// Listed hosts that did not answer: they are watched until one does.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        silent: Vec<HostName>,
        /// When it was gathered.
        at: Timestamp,
    },
    /// A host that had been silent when VMs' owners were looked for answers again.
    HostReturned {
        /// Which host.
        host: HostName,
        /// The VMs for which it had been silent.
        vms: Vec<VmName>,
        /// Those of the run's VMs that run on it.
        running: Vec<VmName>,
    },
    /// A VM that is yet to be started was seen running at the other site, after it was seen off or
    /// vouched for there.
    RunsElsewhere {
        /// Which VM.
        vm: VmName,
        /// Where it was seen running.
        host: HostName,
    },
    /// The VM's own files begin to be copied: what was copied of it before is no proof any more.
    CopyBegan {
        /// Which VM.
        vm: VmName,
        /// From where.
        host: HostName,
    },
    /// They were copied, and the VM was off from before the first byte was read until after the last.
    CopiedAtRest {
        /// Which VM.
        vm: VmName,
        /// From where.
        host: HostName,
        /// The VM's folder there.
        folder: String,
        /// What lay there then.
        files: Vec<RestingFile>,
    },
    /// Since then it has run where they were copied from, so what was copied is not all that it wrote.
    RanSinceCopied {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// How that was seen, in words.
        seen: String,
    },
    /// Recovery required: the VM runs at both sites.
    SplitBrain {
        /// Which VM.
        vm: VmName,
        /// Where this run started it.
        started: HostName,
        /// Where it was seen running too.
        also: HostName,
    },
    /// The VM does not run at both sites any more.
    SplitBrainEnded {
        /// Which VM.
        vm: VmName,
        /// What showed it.
        how: String,
    },
    /// A failback took VMs of the run home, or began to: what runs where is for that run to judge.
    TakenHome(TakenBy),
    /// Of two running copies, a person chose the one that lives.
    SurvivorChosen {
        /// Which VM.
        vm: VmName,
        /// The title of the site where it lives.
        site: String,
        /// Who chose.
        by: String,
    },
    /// An adapter of which nobody knows the address was unplugged when the VM started; a person
    /// decided what becomes of it.
    ConnectionDecided {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// `ethernet0`.
        adapter: String,
        /// Whether it was plugged in.
        connected: bool,
        /// Who decided.
        by: String,
    },
    /// A person vouched for what could not be proven.
    Attested {
        /// For which VM.
        vm: VmName,
        /// Who.
        by: String,
        /// In their words.
        words: String,
        /// What they vouched for.
        statement: String,
    },
    /// A sign to the contrary of what a person vouched for, seen once: it vouches for nothing any more.
    Contradicted {
        /// Of which VM.
        vm: VmName,
        /// What was vouched for.
        statement: String,
        /// The sign.
        seen: String,
    },
    /// What the duplicate-address probe saw.
    AddressProbed {
        /// Which VM.
        vm: VmName,
        /// Which address.
        address: String,
        /// Who asked: a host's name or `console`, and how.
        by: String,
        /// Whether somebody answered.
        answered: bool,
        /// Whether it could not be asked, so that nothing is known.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unasked: bool,
    },
    /// The VM was started and seen on.
    PoweredOn {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
    },
    /// A rung of the readiness ladder was reached.
    RungReached {
        /// Which VM.
        vm: VmName,
        /// The rung in words: `tools`, `tcp 10.20.0.11:1433`.
        rung: String,
        /// What was seen, and from where.
        seen: String,
    },
    /// A pause began.
    WaitBegan {
        /// When.
        at: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// Another team was asked to do something.
    HandedOff {
        /// Whom.
        to: String,
        /// When.
        at: Timestamp,
    },
    /// Something that the run had made or changed was seen gone again, or given back, in the ledger's
    /// words.
    Gone {
        /// Where.
        host: HostName,
        /// What.
        what: String,
    },
    /// A VM that moved is backed up where it runs now: a restore point since then was seen.
    ProtectedAgain {
        /// Which VM.
        vm: VmName,
        /// In which backup.
        backup: BackupName,
        /// The point.
        point: String,
    },
    /// All rungs: the VM serves. RTO actual ends here.
    Serves {
        /// Which VM.
        vm: VmName,
    },
}

/// A host's autostart entry of one VM, in the order of `update_autostartentry`. The texts are the host's own
/// words, so that an entry can be put back as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutostartEntry {
    /// `powerOn`, `none`, …
    pub start_action: String,
    /// Seconds; −1 is the host's default.
    pub start_delay: i64,
    /// Position, from 1 on; −1 in no order.
    pub start_order: i64,
    /// `systemDefault`, `powerOff`, …
    pub stop_action: String,
    /// Seconds; −1 is the host's default.
    pub stop_delay: i64,
    /// `yes`, `no`, `systemDefault`.
    pub wait_for_heartbeat: String,
}

impl Fact {
    /// Who took another restore point than the runbook's, and why, in words.
    #[must_use]
    pub fn pick(&self) -> Option<String> {
        let Self::PointPicked {
            vm,
            point,
            by,
            instead_of,
            why,
        } = self
        else {
            return None;
        };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        Some(format!(
            "{by} chose restore point {point} for {vm} instead of {instead_of}{why}"
        ))
    }

    /// Which restore point was proven corrupt, and by which file, in words.
    #[must_use]
    pub fn corrupt(&self) -> Option<String> {
        let Self::PointCorrupt {
            vm,
            backup,
            stamp,
            file,
            place,
            sum,
            recorded,
            ..
        } = self
        else {
            return None;
        };
        Some(format!(
            "restore point {stamp} of {backup} for {vm} is corrupt: the sum of {file} is {sum}, recorded is {recorded} ({place})"
        ))
    }
}
