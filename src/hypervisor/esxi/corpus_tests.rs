//! Reads outputs that were captured from real hosts, where the folder that `LIFEBOAT_CORPUS` names
//! has them below `esxi-outputs/`. None of them is part of this project.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::autostart::AutostartEntry;
use super::devices::Devices;
use super::faults::{check, check_silent};
use super::guest::Guest;
use super::host_summary::HostSummary;
use super::inventory::{Inventory, Registered};
use super::locks::Lock;
use super::network::{Nic, PortGroup, Vswitch};
use super::power::{PowerReply, PowerState};
use super::process::{RunningVm, SENTINEL};
use super::question::Question;
use super::storage::Volumes;
use super::summary::VmSummary;
use super::table::{self, Record, list};
use super::tasks::{self, Task, TaskState};
use super::uuid::BiosUuid;
use super::value::Value;
use super::version::Version;
use super::{Vmid, vm_inventory, vmkfstools};
use crate::host::Output;
use crate::hypervisor::DriverFault;

struct Corpus {
    folder: PathBuf,
    read: BTreeSet<String>,
}

impl Corpus {
    /// A capture as the output of a command that ended with `status`.
    fn ended(&mut self, status: i32, name: &str) -> Output {
        let path = self.folder.join(name);
        let stdout =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.read.insert(name.to_owned());
        Output {
            status,
            stdout,
            ..Output::default()
        }
    }

    fn output(&mut self, name: &str) -> Output {
        self.ended(0, name)
    }

    fn inventory(&mut self, name: &str) -> Inventory {
        Inventory::parse(&self.output(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    fn records(&mut self, name: &str) -> Vec<Record> {
        table::records(&self.output(name), "a list")
            .unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    fn running(&mut self, name: &str) -> Vec<RunningVm> {
        let mut output = self.output(name);
        output
            .stdout
            .extend_from_slice(format!("{SENTINEL}\n").as_bytes());
        RunningVm::parse_all(&output).unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    fn value(&mut self, name: &str) -> Value {
        Value::parse(&self.output(name).text(), "a value")
            .unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }
}

#[test]
fn captured_outputs_parse_to_the_right_thing() {
    let Some(folder) = std::env::var_os("LIFEBOAT_CORPUS") else {
        println!("LIFEBOAT_CORPUS is not set: read 0 captured outputs");
        return;
    };
    let folder = PathBuf::from(folder).join("esxi-outputs");
    let mut corpus = Corpus {
        folder,
        read: BTreeSet::new(),
    };
    inventories(&mut corpus);
    hostds_own_list(&mut corpus);
    faults(&mut corpus);
    power(&mut corpus);
    machines(&mut corpus);
    running(&mut corpus);
    tables(&mut corpus);
    disks(&mut corpus);
    hosts(&mut corpus);
    println!("read {} captured outputs", corpus.read.len());
}

fn inventories(corpus: &mut Corpus) {
    let ids = |inventory: &Inventory| inventory.vms.iter().map(|vm| vm.vmid.0).collect::<Vec<_>>();
    let long = corpus.inventory("getallvms-7.0u3-multiline-annotation-unsorted.txt");
    assert_eq!(ids(&long), [10, 12, 13, 2, 6]);
    assert_eq!(long.vms[0].path, "vm1_1/vm1_1.vmx");
    assert!(long.unread.is_empty(), "{:?}", long.unread);
    let old = corpus.inventory("getallvms-5.0-multiline-annotation.txt");
    assert_eq!(ids(&old), [101, 102, 103, 110, 111, 112]);
    assert_eq!(old.vms[5].name, "YUE_192.168.0.31");
    assert_eq!(ids(&corpus.inventory("getallvms-basic.txt")), [1, 2]);
    assert_eq!(ids(&corpus.inventory("getallvms-one-vm-7.txt")), [1]);
    assert_eq!(
        corpus.inventory("getallvms-one-vm-8.txt").vms[0].version,
        "vmx-20"
    );
    assert_eq!(
        corpus.inventory("getallvms-empty-8.txt"),
        Inventory::default()
    );
    assert_eq!(
        ids(&corpus.inventory("getallvms-4x-vmids-step-16.txt")),
        [112, 128, 144]
    );
    let colon = corpus.inventory("getallvms-datastore-with-colon.txt");
    assert_eq!(colon.vms[0].datastore, "vmbd-01:datastore1");
    let names = corpus.inventory("getallvms-names-with-parentheses-and-colons.txt");
    assert_eq!(
        names.vms[1].name,
        "vm-ark-site-10 (nonpersistent: vmwarelinux-centosbase1617-v1)"
    );
    let row = corpus.output("getallvms-grep-row-6.5.txt");
    assert!(
        Inventory::parse(&row).is_err(),
        "a list without its heading"
    );
    let skipped = corpus.output("getallvms-skipping-invalid-vm.txt");
    let heading = b"Vmid   Name   File   Guest OS   Version   Annotation\n".to_vec();
    let skipped = Output {
        stdout: heading,
        stderr: skipped.stdout,
        ..Output::default()
    };
    assert_eq!(
        Inventory::parse(&skipped).unwrap().invalid,
        [16, 32, 48, 64].map(Vmid)
    );
}

fn hostds_own_list(corpus: &mut Corpus) {
    let entries = vm_inventory::parse(&corpus.output("vmInventory.xml")).unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.0.0).collect::<Vec<_>>(),
        [2, 12, 16]
    );
    assert!(entries[0].1.ends_with("/Jump Box/Jump Box.vmx"));
}

fn faults(corpus: &mut Corpus) {
    for name in [
        "fault-notfound-getstate-6x.txt",
        "fault-notfound-unregister-4x.txt",
        "fault-object-already-deleted.txt",
        "task-info-object-already-deleted.txt",
        "registervm-vmx-not-found.txt",
    ] {
        let fault = check(&corpus.output(name)).unwrap_err();
        assert!(
            matches!(fault, DriverFault::NotFound { .. }),
            "{name}: {fault}"
        );
    }
    let reused = check(&corpus.output("fault-notfound-when-registervm-output-was-reused.txt"));
    assert!(matches!(reused, Err(DriverFault::NotFound { .. })));
    let exists = Registered::parse(&corpus.output("registervm-already-exists.txt"));
    assert!(matches!(
        exists,
        Err(DriverFault::AlreadyExists {
            vmid: Some(Vmid(51)),
            ..
        })
    ));
    for name in [
        "hostd-busy-vim-cmd.txt",
        "hostd-down-vim-cmd.txt",
        "hostd-down-esxcli.txt",
    ] {
        let fault = check(&corpus.output(name)).unwrap_err();
        assert!(
            matches!(fault, DriverFault::HostdDown { .. }),
            "{name}: {fault}"
        );
    }
    assert!(check(&corpus.output("vim-cmd-crash.txt")).is_err());
    let vlan =
        check_silent(&corpus.output("esxcli-portgroup-set-vlan-type-error.txt")).unwrap_err();
    assert!(vlan.to_string().contains("--vlan-id"), "{vlan}");
    for name in [
        "esxcli-portgroup-add-and-set-ok.txt",
        "device.diskaddexisting-ok-5.5.txt",
        "device.diskremove-ok-5.5.txt",
        "vmkfstools-U-ok-5.5.txt",
    ] {
        assert_eq!(check_silent(&corpus.output(name)), Ok(()), "{name}");
    }
}

fn power(corpus: &mut Corpus) {
    for (name, wanted, outcome) in [
        ("power.on-ok.txt", PowerState::On, "accepted"),
        ("power.on-already-on-4x.txt", PowerState::On, "there"),
        ("power.on-failed-6x.txt", PowerState::On, "unclear"),
        ("power.off-already-off-4x.txt", PowerState::Off, "there"),
        ("power.off-failed-6x.txt", PowerState::Off, "unclear"),
        ("power.suspend-failed.txt", PowerState::Suspended, "unclear"),
    ] {
        let reply = match PowerReply::parse(&corpus.output(name), wanted).unwrap() {
            PowerReply::Accepted => "accepted",
            PowerReply::AlreadyThere => "there",
            PowerReply::Unclear { .. } => "unclear",
        };
        assert_eq!(reply, outcome, "{name}");
    }
    assert_eq!(
        tasks::parse_keys(&corpus.output("get.tasklist.txt"))
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        tasks::parse_keys(&corpus.output("get.tasklist-empty.txt")),
        Ok(Vec::new())
    );
    let task = Task::parse(&corpus.output("task_info-powerOn-canceled.txt")).unwrap();
    assert_eq!(task.state, TaskState::Error);
    assert_eq!(
        task.error.as_deref(),
        Some("The task was canceled by a user.")
    );
    let question = Question::parse(&corpus.output("message-uuid-altered.txt"))
        .unwrap()
        .unwrap();
    assert!(question.is_moved_or_copied());
    assert_eq!(
        (
            question.id.as_str(),
            question.choices.len(),
            question.default
        ),
        ("12", 3, Some(2))
    );
    assert_eq!(question.moved().unwrap().number, 1);
}

fn machines(corpus: &mut Corpus) {
    let off = VmSummary::parse(&corpus.output("get.summary-off-5.0.txt")).unwrap();
    assert_eq!(
        (off.power, off.has_question, off.tools_running),
        (PowerState::Off, false, false)
    );
    assert_eq!(
        off.uuid_bios,
        BiosUuid::parse("564d379a-5654-a8b9-daab-2ed352d83be0")
    );
    assert_eq!(off.memory_mib, Some(4096));
    let on = VmSummary::parse(&corpus.output("get.summary-running-4x.txt")).unwrap();
    assert_eq!(on.power, PowerState::On);
    assert_eq!(on.ip_address.as_deref(), Some("192.0.2.235"));
    assert!(on.tools_running && on.boot_time.is_some());
    let none = Guest::parse(&corpus.output("get.guest-no-tools-8.txt")).unwrap();
    assert!(!none.tools_running && none.addresses.is_empty());
    let good = Guest::parse(&corpus.output("get.guest-running-tools-ok-6.7-7.txt")).unwrap();
    assert_eq!(good.usable_address(), "192.168.200.9".parse().ok());
    assert_eq!(
        good.adapters[0].network.as_deref(),
        Some("Kubernetes Network")
    );
    let devices = Devices::parse(&corpus.output("device.getdevices-excerpt-5.0.txt")).unwrap();
    assert_eq!(devices.adapters[0].network.as_deref(), Some("VM Network"));
    assert_eq!(devices.disks[0].capacity, Some(41_943_040 * 1024));
    let config = corpus.value("get.config-excerpt-5.0.txt");
    assert_eq!(config.get("version").text(), Some("vmx-08"));
    assert_eq!(
        corpus.value("get.networks-5.0.txt").get("name").text(),
        Some("VM Network")
    );
    let search = corpus.value("datastorebrowser-search.txt");
    assert_eq!(
        search.get("file").items()[0].get("capacityKb").number(),
        Some(14_680_064)
    );
    let stores = corpus.value("datastore-listsummary-4x.txt");
    assert_eq!(stores.items()[1].get("name").text(), Some("nfs-datastore"));
    let starts = AutostartEntry::parse_all(&corpus.output("autostart-get-7.0u3.txt")).unwrap();
    assert_eq!((starts[0].0, starts[1].0), (Vmid(3), Vmid(13)));
    assert_eq!((starts[0].1.start_order, starts[1].1.start_delay), (1, -1));
}

fn running(corpus: &mut Corpus) {
    assert!(
        corpus
            .running("esxcli-vm-process-list-none-running.txt")
            .is_empty()
    );
    let old = corpus.running("esxcli-vm-process-list-5.5.txt");
    assert_eq!(
        (old.len(), old[0].world_id, old[1].name.as_str()),
        (2, 107_654, "CentOS7.6_mini")
    );
    assert_eq!(
        old[0].uuid_bios,
        BiosUuid::parse("564dc4d7-deeb-7781-dc69-4e96d4c6184f")
    );
    let blanks = corpus.running("esxcli-vm-process-list-spaces-6.x.txt");
    assert_eq!(
        (blanks.len(), blanks[1].name.as_str()),
        (2, "Server 2016 Vcenter")
    );
    let brackets = corpus.running("esxcli-vm-process-list-brackets-in-name.txt");
    assert!(
        brackets[0]
            .config_file
            .ends_with("/example-esx36 [jsmithson] FGT_VM64_ESXI.vmx")
    );
    let xml = corpus.running("esxcli-vm-process-list.xml");
    assert_eq!(
        (xml.len(), xml[1].name.as_str()),
        (2, "vSAN File Service Node (2)")
    );
}

fn tables(corpus: &mut Corpus) {
    let volumes = |corpus: &mut Corpus, name: &str| Volumes::parse(&corpus.output(name)).unwrap();
    let new = volumes(corpus, "esxcli-storage-filesystem-list-8.0.2.txt");
    assert_eq!(
        new.0.iter().filter(|volume| volume.is_datastore()).count(),
        7
    );
    assert_eq!(new.named("datastore1").unwrap().free, 360_873_721_856);
    let unnamed = volumes(corpus, "esxcli-storage-filesystem-list-5.0-unnamed.txt");
    assert_eq!(
        unnamed
            .0
            .iter()
            .filter(|volume| volume.label.is_empty())
            .count(),
        4
    );
    // Its author put other names in and so shifted the columns: cells no longer stand under their
    // heading, and what cannot be trusted is refused.
    let shifted = corpus.output("esxcli-storage-filesystem-list-7.0u3.txt");
    assert!(Volumes::parse(&shifted).is_err());
    let groups = PortGroup::parse_all(
        &corpus.output("esxcli-network-vswitch-standard-portgroup-list-spaces.txt"),
    )
    .unwrap();
    assert_eq!(
        (groups.len(), groups[3].name.as_str(), groups[3].vlan),
        (7, "Management Network (1)", 28)
    );
    let groups =
        PortGroup::parse_all(&corpus.output("esxcli-network-vswitch-standard-portgroup-list.txt"))
            .unwrap();
    assert_eq!((groups[3].name.as_str(), groups[3].vlan), ("VM_VLAN3", 3));
    let switches =
        Vswitch::parse_all(&corpus.output("esxcli-network-vswitch-standard-list-two-6.7.txt"))
            .unwrap();
    assert_eq!(
        (switches[1].mtu, switches[1].uplinks.as_slice()),
        (9000, &["vmnic32".to_owned()][..])
    );
    let switches =
        Vswitch::parse_all(&corpus.output("esxcli-network-vswitch-standard-list-7-8.txt")).unwrap();
    assert_eq!(switches[0].port_groups, ["VM Network", "eno1"]);
    for (name, count, up) in [
        ("esxcli-network-nic-list-5.5.txt", 2, true),
        ("esxcli-network-nic-list-6.5-usb.txt", 2, true),
        ("esxcli-network-nic-list-7-8.txt", 2, false),
        ("esxcli-network-nic-list.xml", 2, false),
    ] {
        let nics = Nic::parse_all(&corpus.output(name)).unwrap();
        assert_eq!(
            (nics.len(), nics[0].up, nics[1].up),
            (count, true, up),
            "{name}"
        );
    }
    let rules = corpus.records("esxcli-network-firewall-ruleset-allowedip-list.csv");
    assert_eq!(list(rules[0].get("AllowedIPAddresses").unwrap()).len(), 3);
    assert_eq!(
        corpus
            .records("esxcli-network-firewall-ruleset-list.csv")
            .len(),
        4
    );
    let ports = corpus.records("esxcli-network-firewall-ruleset-rule-list.csv");
    assert_eq!(ports[2].number("Port End", "x"), Ok(65_535));
    let disks = corpus.records("esxcli-storage-core-device-list.csv");
    assert_eq!(disks[0].get("Model"), Some("iSCSI Disk"));
    let shares = corpus.records("esxcli-storage-nfs41-list-inaccessible.txt");
    assert_eq!(
        (shares[0].get("Accessible"), shares[0].get("Share")),
        (Some("false"), Some("/backups/isos"))
    );
    for name in [
        "esxcli-network-ip-interface-ipv4-get.txt",
        "esxcli-network-ip-interface-ipv4-address-list.txt",
    ] {
        assert_eq!(
            corpus.records(name)[0].get("Address Type"),
            Some("STATIC"),
            "{name}"
        );
    }
    let facts = |corpus: &mut Corpus, name: &str, field: &str| {
        corpus.records(name)[0].get(field).map(str::to_owned)
    };
    for (name, field, value) in [
        ("esxcli-system-version-get-8.0.2.txt", "Version", "8.0.2"),
        ("esxcli-system-hostname-get-5.5.txt", "Domain Name", ""),
        (
            "esxcli-hardware-memory-get-6.5.txt",
            "Physical Memory",
            "34133794816 Bytes",
        ),
        (
            "esxcli-hardware-cpu-global-get-8.0.2.txt",
            "CPU Threads",
            "24",
        ),
        (
            "esxcli-hardware-platform-get-5.0.txt",
            "IPMI Supported",
            "true",
        ),
        (
            "esxcli-hardware-cpu-list-one-6.5.txt",
            "Brand",
            "GenuineIntel",
        ),
        ("esxcli-network-nic-get-6.5.txt", "Link Status", "Up"),
        (
            "esxcli-network-ip-interface-list.txt",
            "Portgroup",
            "Management",
        ),
    ] {
        assert_eq!(facts(corpus, name, field).as_deref(), Some(value), "{name}");
    }
}

fn disks(corpus: &mut Corpus) {
    for name in [
        "vmkfstools-clone-thin-4.1.txt",
        "vmkfstools-clone-zeroedthick-6.7.txt",
        "vmkfstools-clone-last-percent-37.txt",
        "vmkfstools-clone-adaptertype-deprecated-verbose.txt",
        "vmkfstools-create-eagerzeroedthick.txt",
    ] {
        assert_eq!(vmkfstools::check(&corpus.output(name)), Ok(()), "{name}");
    }
    let last = corpus.output("vmkfstools-clone-last-percent-37.txt").text();
    assert_eq!(vmkfstools::progress(&last), Some(37));
    for (name, begins) in [
        (
            "vmkfstools-clone-failed-not-a-virtual-disk.txt",
            "Failed to clone disk: The file",
        ),
        (
            "vmkfstools-clone-io-error-93.txt",
            "OBJLIB-FILEBE : FileBEIoctl",
        ),
        (
            "vmkfstools-clone-no-space.txt",
            "Failed to clone disk : No space",
        ),
    ] {
        match vmkfstools::check(&corpus.ended(1, name)) {
            Err(DriverFault::Failed { text, .. }) => assert!(text.starts_with(begins), "{text}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(
        vmkfstools::check_chain(&corpus.output("vmkfstools-e-consistent.txt")),
        Ok(())
    );
    assert_eq!(
        Lock::parse(&corpus.output("vmkfstools-D-unlocked.txt")),
        Ok(Lock::Free)
    );
    match Lock::parse(&corpus.output("vmkfstools-D-exclusive.txt")).unwrap() {
        Lock::Exclusive(owner) => assert_eq!(owner.mac, "44:d3:ca:bc:b7:b4"),
        other => panic!("{other:?}"),
    }
    for (name, readers) in [
        ("vmkfstools-D-readonly-two-owners.txt", 2),
        ("vmkfstools-D-readonly-one-owner-old.txt", 1),
    ] {
        match Lock::parse(&corpus.output(name)).unwrap() {
            Lock::ReadOnly(owners) => assert_eq!(owners.len(), readers, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn hosts(corpus: &mut Corpus) {
    let host = HostSummary::parse(&corpus.output("hostsummary-excerpt-8.0.1.txt")).unwrap();
    assert_eq!(
        (host.memory, host.uptime, host.cpu_mhz),
        (Some(8_589_328_384), Some(72_306), Some(15_968))
    );
    assert_eq!(host.memory_used, Some(1850 << 20));
    for (name, version) in [
        ("vmware-lv-5.0.txt", "5.0.0"),
        ("vmware-lv-6.5.txt", "6.5.0"),
    ] {
        assert_eq!(
            Version::parse(&corpus.output(name)).unwrap().version,
            version,
            "{name}"
        );
    }
    let both = corpus.output("vmware-v-and-uname-8.0.2.txt").text();
    let second = both.lines().nth(1).unwrap_or_default().to_owned();
    let second = Output {
        stdout: second.into(),
        ..Output::default()
    };
    assert_eq!(Version::parse(&second).unwrap().build, "22380479");
}
