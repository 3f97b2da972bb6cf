//! Printed formats against hand-written pieces of what hosts print.

use super::support::TestSite;
use crate::names::HostName;
use crate::sim::{Injection, NfsMount, NfsVersion};

#[tokio::test(flavor = "multi_thread")]
async fn getallvms_has_the_layout_of_a_host() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let listed = client.run("vim-cmd vmsvc/getallvms");
    let lines: Vec<&str> = listed.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.out);
    // Name 5 wide, file 24 wide, guest 16 wide, version 7, annotation 10.
    assert_eq!(
        lines[0],
        "Vmid   Name              File                 Guest OS       Version   Annotation"
    );
    let (first, second) = (
        site.vmid("lon-esx1", "sql01"),
        site.vmid("lon-esx1", "web01"),
    );
    for (line, id, name) in [(lines[1], first, "sql01"), (lines[2], second, "web01")] {
        let row = format!(
            "{id:<4}   {name}   [local1] {name}/{name}.vmx   debian12_64Guest   vmx-19              "
        );
        assert_eq!(line, row);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_vm_is_skipped_and_still_in_the_way() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let id = site.vmid("lee-esx1", "lab-1");
    client.run(&format!(
        "vim-cmd vmsvc/power.off {id}; mv /vmfs/volumes/local1/lab-1/lab-1.vmx /tmp/"
    ));
    let listed = client.run("vim-cmd vmsvc/getallvms");
    assert_eq!(listed.err, format!("Skipping invalid VM '{id}'\n"));
    assert!(!listed.out.contains("lab-1"), "{}", listed.out);
    let again = client.run("vim-cmd solo/registervm /vmfs/volumes/local1/lab-1/lab-1.vmx");
    assert_eq!(again.status, 1);
    let fault = format!(
        "(vim.fault.AlreadyExists) {{\n   faultCause = (vmodl.MethodFault) null, \n   name = \"{id}\", \n   msg = \"The specified key, name, or identifier '{id}' already exists.\"\n}}\n"
    );
    assert_eq!(again.out, fault);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_stand_on_standard_output() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let ran = client.run("vim-cmd vmsvc/power.getstate 999");
    assert_eq!(
        ran.out,
        "(vim.fault.NotFound) {\n   faultCause = (vmodl.MethodFault) null, \n   faultMessage = <unset>\n   msg = \"Unable to find a VM corresponding to \"999\"\"\n}\n"
    );
    assert_eq!((ran.status, ran.err.as_str()), (1, ""));
    let missing = client.run("vim-cmd solo/registervm /vmfs/volumes/local1/none/none.vmx");
    assert!(
        missing
            .out
            .contains("msg = \"The object or item referred to could not be found.\""),
        "{missing:?}"
    );
    assert_eq!(missing.status, 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn esxcli_prints_tables_csv_and_xml() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let table = client
        .run("esxcli network vswitch standard portgroup list")
        .out;
    assert_eq!(
        table,
        "Name                Virtual Switch  Active Clients  VLAN ID\n\
         ------------------  --------------  --------------  -------\n\
         Management Network  vSwitch0                     1        0\n\
         VM Network          vSwitch0                     2        0\n"
    );
    let csv = client
        .run("esxcli --formatter=csv network vswitch standard portgroup list")
        .out;
    assert_eq!(
        csv.lines().next(),
        Some("ActiveClients,Name,VLANID,VirtualSwitch,")
    );
    assert_eq!(csv.lines().nth(1), Some("1,Management Network,0,vSwitch0,"));
    let picked = client.run("esxcli --formatter=csv --format-param=fields=\"Name,Uplinks\" network vswitch standard list");
    assert_eq!(picked.out, "Name,Uplinks,\nvSwitch0,\"vmnic0,\",\n");
    let xml = client.run("esxcli --formatter=xml vm process list").out;
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<output xmlns="),
        "{xml}"
    );
    assert!(
        xml.contains("<field name=\"DisplayName\">\n            <string>lab-1</string>"),
        "{xml}"
    );
    assert_eq!(
        client.run("esxcli --formatter=json vm process list").status,
        1
    );
    assert_eq!(
        client
            .run("esxcli --debug --formatter=json vm process list")
            .status,
        0
    );
    let volumes = client.run("esxcli storage filesystem list").out;
    assert!(
        volumes
            .lines()
            .any(|line| line.contains("local1") && line.contains(" true  VMFS-6")),
        "{volumes}"
    );
    let ruler = volumes.lines().nth(1).unwrap();
    let name_at = ruler.find("  -").unwrap() + 2;
    let unnamed = volumes
        .lines()
        .skip(2)
        .any(|line| line.chars().nth(name_at) == Some(' '));
    assert!(unnamed, "no volume without a label: {volumes}");
    let unknown = client.run("esxcli network foo list");
    assert_eq!(unknown.status, 1);
    assert!(
        unknown
            .out
            .starts_with("Error: Unknown command or namespace network foo"),
        "{unknown:?}"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn port_groups_are_made_changed_and_refused_in_silence_or_words() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let made = client.run(
        "esxcli network vswitch standard portgroup add -p 'Tier 2' -v vSwitch0 && \
         esxcli network vswitch standard portgroup set -p 'Tier 2' --vlan-id 20",
    );
    assert_eq!((made.status, made.out.as_str()), (0, ""));
    let listed = client
        .run("esxcli network vswitch standard portgroup list")
        .out;
    assert!(
        listed.contains("Tier 2              vSwitch0                     0       20"),
        "{listed}"
    );
    let twice = client.run("esxcli network vswitch standard portgroup add -p 'Tier 2' -v vSwitch0");
    assert_eq!(
        (twice.status, twice.out.as_str()),
        (1, "A portgroup with the name Tier 2 already exists\n")
    );
    let wrong =
        client.run("esxcli network vswitch standard portgroup set -p 'Tier 2' --vlan-id=LT-3100");
    assert!(
        wrong
            .out
            .starts_with("Error: While processing '--vlan-id'. Argument type mismatch."),
        "{wrong:?}"
    );
    let busy =
        client.run("esxcli network vswitch standard portgroup remove -p 'VM Network' -v vSwitch0");
    assert_eq!(busy.status, 1);
    assert_eq!(
        client
            .run("esxcli network vswitch standard portgroup remove -p 'Tier 2' -v vSwitch0")
            .status,
        0
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_hostd_down_only_what_needs_it_fails() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    site.site
        .inject(&HostName::from("lee-esx1"), Injection::HostdDown(true))
        .unwrap();
    assert_eq!(
        client.run("vim-cmd vmsvc/getallvms").out,
        "Failed to login: Connection reset by peer\n"
    );
    assert_eq!(
        client.run("esxcli vm process list").out,
        "Connect to localhost failed: Connection failure\n"
    );
    assert_eq!(
        client.run("/etc/init.d/hostd status").out,
        "hostd is not running.\n"
    );
    assert_eq!(client.run("ls /vmfs/volumes/local1 >/dev/null").status, 0);
    assert!(
        client
            .run("/etc/init.d/hostd restart")
            .out
            .ends_with("hostd started.\n")
    );
    assert_eq!(client.run("vim-cmd vmsvc/getallvms").status, 0);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vmkfstools_clones_with_progress_and_says_why_not() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let id = site.vmid("lon-esx1", "web01");
    client.run(&format!(
        "vim-cmd vmsvc/power.off {id}; mkdir /vmfs/volumes/local1/copy"
    ));
    let source = "/vmfs/volumes/local1/web01/web01.vmdk";
    let cloned = client.run(&format!(
        "vmkfstools -i {source} -d thin /vmfs/volumes/local1/copy/c.vmdk"
    ));
    assert_eq!(cloned.status, 0, "{cloned:?}");
    let (head, progress) = cloned.out.split_at(cloned.out.find('\r').unwrap());
    assert_eq!(
        head,
        format!("Destination disk format: VMFS thin-provisioned\nCloning disk '{source}'...\n")
    );
    assert!(progress.ends_with("\rClone: 100% done.\n"), "{progress:?}");
    assert_eq!(progress.matches('\n').count(), 1);
    let same = client.run("cd /vmfs/volumes/local1; cmp web01/web01-flat.vmdk copy/c-flat.vmdk; vmkfstools -e copy/c.vmdk");
    assert_eq!(
        (same.status, same.out.as_str()),
        (0, "Disk chain is consistent.\n")
    );
    let exists = client.run(&format!(
        "vmkfstools -i {source} /vmfs/volumes/local1/copy/c.vmdk"
    ));
    assert_eq!(
        (exists.status, exists.err.as_str()),
        (255, "Failed to clone disk: The file already exists (39).\n")
    );
    site.site
        .inject(&HostName::from("lon-esx1"), Injection::CloneBreaksAt(40))
        .unwrap();
    let broken = client.run(&format!(
        "vmkfstools -i {source} -d thin /vmfs/volumes/local1/copy/d.vmdk"
    ));
    assert_eq!(broken.status, 255);
    let last = broken.out.rsplit('\r').next().unwrap();
    assert!(
        last.starts_with("Clone: ") && last.contains("% done.Failed to clone disk : "),
        "{last:?}"
    );
    let renamed = client.run(
        "cd /vmfs/volumes/local1/copy; vmkfstools -E c.vmdk e.vmdk; ls; vmkfstools -U e.vmdk; ls",
    );
    assert_eq!(renamed.out, "e-flat.vmdk\ne.vmdk\n", "{renamed:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nfs_mounts_stand_in_the_list_of_their_version_and_take_writes_only_where_they_say_so() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let lists = ["nfs", "nfs41"].map(|name| format!("esxcli storage {name} list"));
    for list in &lists {
        let none = client.run(list);
        assert_eq!((none.status, none.out.as_str()), (0, ""), "{list}");
    }
    let mount = |version, read_only| {
        let mount = NfsMount { version, read_only };
        let host = HostName::from("lee-esx1");
        site.site.mount_nfs(&host, "local1", mount).unwrap();
    };
    mount(NfsVersion::V3, false);
    assert_eq!(
        client.run(&lists[0]).out,
        "Volume Name  Host       Share           Accessible  Mounted  Read-Only   isPE  Hardware Acceleration\n\
         -----------  ---------  --------------  ----------  -------  ---------  -----  ---------------------\n\
         local1       10.20.0.5  /export/local1        true     true      false  false  Not Supported\n"
    );
    assert_eq!(client.run(&lists[1]).out, "");
    assert_eq!(client.run("touch /vmfs/volumes/local1/x").status, 0);

    mount(NfsVersion::V41, true);
    assert_eq!(
        client.run(&lists[1]).out,
        "Volume Name  Host(s)    Share           Accessible  Mounted  Read-Only  Security   isPE  Hardware Acceleration\n\
         -----------  ---------  --------------  ----------  -------  ---------  --------  -----  ---------------------\n\
         local1       10.20.0.5  /export/local1        true     true       true  AUTH_SYS  false  Not Supported\n"
    );
    let volumes = client.run("esxcli storage filesystem list").out;
    assert!(volumes.contains(" true  NFS41"), "{volumes}");
    // To root it looks as if it took them.
    let folder = "/vmfs/volumes/local1";
    assert_eq!(client.run(&format!("test -w {folder}")).status, 0);
    for write in ["mkdir", "touch", "rm"] {
        let file = if write == "mkdir" { "y" } else { "x" };
        let refused = client.run(&format!("{write} {folder}/{file}"));
        assert_ne!(refused.status, 0, "{write}");
        assert!(refused.err.contains("Read-only file system"), "{refused:?}");
    }
    site.stop().await;
}
