//! Shapes of the inventory's table, from 4.x to 8.

use proptest::prelude::*;

use super::*;

fn parse(stdout: &str) -> Inventory {
    Inventory::parse(&Output::of(stdout)).unwrap()
}

/// Lays a table out as a host does: cells left-justified and padded, headings centred, three
/// blanks between columns.
fn table(rows: &[[&str; 6]]) -> String {
    let heading = ["Vmid", "Name", "File", "Guest OS", "Version", "Annotation"];
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
            .max(heading[column].len())
    };
    let mut text = String::new();
    for (column, word) in heading.iter().enumerate() {
        let left = (width(column) - word.len()) / 2;
        let cell = format!("{}{word}", " ".repeat(left));
        text.push_str(&format!("{cell:<width$}", width = width(column)));
        text.push_str(if column == 5 { "\n" } else { "   " });
    }
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let pad = width(column) - cell.chars().count();
            text.push_str(cell);
            text.push_str(&" ".repeat(pad));
            text.push_str(if column == 5 { "\n" } else { "   " });
        }
    }
    text
}

#[test]
fn reads_rows_and_keeps_their_order() {
    let inventory = parse(&table(&[
        [
            "10",
            "web 01",
            "[ds 1] web 01/web 01.vmx",
            "centos64Guest",
            "vmx-19",
            "",
        ],
        [
            "2",
            "sql01",
            "[lon:local1] sql01/sql01.vmx",
            "windows2019srv_64Guest",
            "vmx-17",
            "a note",
        ],
    ]));
    assert_eq!(inventory.vms.len(), 2);
    let web = &inventory.vms[0];
    assert_eq!((web.vmid, web.name.as_str()), (Vmid(10), "web 01"));
    assert_eq!(web.vmx_path(), "/vmfs/volumes/ds 1/web 01/web 01.vmx");
    assert_eq!(inventory.vms[1].datastore, "lon:local1");
    assert_eq!(inventory.vms[1].version, "vmx-17");
    assert!(inventory.unread.is_empty());
}

#[test]
fn an_empty_inventory_is_its_heading_alone() {
    assert_eq!(
        parse("Vmid   Name   File   Guest OS   Version   Annotation\n"),
        Inventory::default()
    );
    assert!(Inventory::parse(&Output::of("")).is_err());
    assert!(Inventory::parse(&Output::of("something else\n")).is_err());
}

#[test]
fn notes_over_several_lines_are_no_rows() {
    let note = "First line.\n\n   indented, 12 things\n12 monkeys\nlast [x] y.vmx";
    let inventory = parse(&table(&[
        ["1", "a", "[ds] a/a.vmx", "otherGuest", "vmx-08", note],
        ["3", "b", "[ds] b/b.vmx", "otherGuest", "vmx-08", ""],
    ]));
    let ids: Vec<_> = inventory.vms.iter().map(|entry| entry.vmid.0).collect();
    assert_eq!(ids, [1, 3]);
}

#[test]
fn what_begins_like_a_row_and_is_none_is_remembered() {
    let text = "Vmid   Name   File   Guest OS   Version   Annotation\n7      lost   no file   x   vmx-13\n8  bits are a byte\n";
    assert_eq!(parse(text).unread, ["7 lost no file x vmx-13"]);
}

#[test]
fn names_and_folders_may_hold_brackets_and_parentheses() {
    let inventory = parse(&table(&[
        [
            "496",
            "lab-9 (nonpersistent: base-v12)",
            "[nfs] lab-9/lab-9.vmx",
            "winXPProGuest",
            "vmx-04",
            "",
        ],
        [
            "497",
            "esx36 [jo] FGT",
            "[ds] machines/esx36 [jo] FGT/esx36 [jo] FGT.vmx",
            "otherGuest",
            "vmx-13",
            "",
        ],
        [
            "498",
            "caf\u{e9} \u{6f22}\u{5b57}",
            "[ds] x/x.vmtx",
            "otherGuest",
            "vmx-13",
            "",
        ],
    ]));
    assert_eq!(inventory.vms[0].name, "lab-9 (nonpersistent: base-v12)");
    assert_eq!(inventory.vms[1].name, "esx36 [jo] FGT");
    assert_eq!(inventory.vms[1].datastore, "ds");
    assert_eq!(
        inventory.vms[1].path,
        "machines/esx36 [jo] FGT/esx36 [jo] FGT.vmx"
    );
    assert_eq!(inventory.vms[2].path, "x/x.vmtx");
}

#[test]
fn squeezed_columns_are_read_too() {
    let text = "Vmid Name File Guest OS Version Annotation\n112 VM-1 [Datastore] VM-3/VM-3.vmx winLonghornGuest vmx-04\n";
    assert_eq!(parse(text).vms[0].path, "VM-3/VM-3.vmx");
}

#[test]
fn invalid_entries_are_told_on_either_stream() {
    let output = Output {
        stdout: "Skipping invalid VM '32'\nVmid   Name   File   Guest OS   Version   Annotation\n"
            .into(),
        stderr: "Skipping invalid VM '16'\nSkipping invalid VM '32'\n".into(),
        ..Output::default()
    };
    assert_eq!(
        Inventory::parse(&output).unwrap().invalid,
        [Vmid(16), Vmid(32)]
    );
}

#[test]
fn a_row_is_found_by_its_file() {
    let inventory = parse(&table(&[[
        "5",
        "a",
        "[ds] a/a.vmx",
        "otherGuest",
        "vmx-08",
        "",
    ]]));
    assert_eq!(inventory.claims("ds", "a/a.vmx").count(), 1);
    assert_eq!(inventory.claims("ds", "A/a.vmx").count(), 0);
}

#[test]
fn registering_gives_an_id_or_nothing_or_the_existing_one() {
    assert_eq!(
        Registered::parse(&Output::of("42\n")),
        Ok(Registered::As(Vmid(42)))
    );
    assert_eq!(Registered::parse(&Output::of("")), Ok(Registered::LookItUp));
    assert!(Registered::parse(&Output::of("99999999999999999999\n")).is_err());
    assert!(Registered::parse(&Output::of("done\n")).is_err());
    let exists =
        Output::of("(vim.fault.AlreadyExists) {\n   name = \"7\",\n   msg = \"exists\"\n}\n");
    let wanted = DriverFault::AlreadyExists {
        vmid: Some(Vmid(7)),
        message: "exists".into(),
    };
    assert_eq!(Registered::parse(&exists), Err(wanted));
}

proptest! {
    #[test]
    fn never_panics(text in "(Vmid\n)?(.{0,60}\n){0,20}") {
        let _ = Inventory::parse(&Output::of(&text));
        let _ = Registered::parse(&Output::of(&text));
    }

    #[test]
    fn what_a_host_prints_is_read_back(
        name in "[a-zA-Z0-9_. ()\\[\\]-]{0,20}[a-z]",
        folder in "[a-zA-Z0-9_. ()\\[\\]-]{0,20}[a-z]",
        vmid in 1_u32..100_000,
        note in "(.{0,40}\n){0,3}",
    ) {
        let name = name.trim();
        let file = format!("[ds:1] {folder}/x.vmx");
        let id = vmid.to_string();
        let row = [id.as_str(), name, file.as_str(), "otherGuest", "vmx-13", note.as_str()];
        let inventory = parse(&table(&[row]));
        prop_assume!(!name.contains("   ") && !folder.contains("   "));
        let entry = &inventory.vms[0];
        prop_assert_eq!(entry.vmid, Vmid(vmid));
        prop_assert_eq!(entry.name.as_str(), name);
        prop_assert_eq!(&entry.path, &format!("{folder}/x.vmx"));
    }
}

#[test]
fn a_line_of_a_note_that_looks_like_a_row_is_no_vm() {
    let text = "Vmid   Name   File   Guest OS   Version   Annotation\n\
                1      vcsa   [ds] vcsa/vcsa.vmx   x   vmx-13   note\n\
                7      sql01  [ds] sql01/sql01.vmx   x   vmx-13\n";
    let inventory = Inventory::parse(&Output::of(text)).unwrap();
    let skipping = Inventory::parse(&Output {
        stderr: "Skipping invalid VM '7'\n".into(),
        ..Output::of(text)
    });
    assert_eq!(skipping.unwrap().vms, inventory.vms[..1]);
    let note = Output::of(&format!("{text}Skipping invalid VM '1'\n"));
    assert_eq!(Inventory::parse(&note).unwrap().vms, inventory.vms);
    let row = inventory.claims("ds", "sql01/sql01.vmx").next().unwrap();
    let told = |file: &str| {
        let text = format!(
            "Listsummary:\n\n(vim.vm.Summary) {{\n   runtime = (vim.vm.RuntimeInfo) {{\n      \
             connectionState = \"connected\", \n      powerState = \"poweredOff\"\n   }}, \n   config = \
             (vim.vm.Summary.ConfigSummary) {{\n      name = \"x\", \n      vmPathName = \"{file}\"\n   }}\n}}\n"
        );
        VmSummary::parse(&Output::of(&text))
    };
    let own = row.confirmed(told("[ds] sql01/sql01.vmx")).unwrap();
    assert_eq!(own.unwrap().path, "sql01/sql01.vmx");
    // Nothing may be sent to that number, nor believed of it.
    for other in ["[ds] vcsa/vcsa.vmx", "[ds2] sql01/sql01.vmx"] {
        assert_eq!(row.confirmed(told(other)), Ok(None), "{other}");
    }
    let message = "Unable to find a VM corresponding to \"7\"".to_owned();
    assert_eq!(
        row.confirmed(Err(DriverFault::NotFound { message })),
        Ok(None)
    );
    let text = "reset".to_owned();
    let down = DriverFault::HostdDown { text };
    assert_eq!(row.confirmed(Err(down.clone())), Err(down));
}
