//! The same list in every form in which esxcli can print it.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Vec<Record> {
    parse(text, "a list").unwrap()
}

#[test]
fn csv_with_commas_at_every_end_and_quoted_lists() {
    let records = read(
        "AllowedIPAddresses,Ruleset,\n\"192.0.2.1,192.0.2.2,\",sshServer,\n\"All,\",\"a \"\"b\"\", c\",\n",
    );
    assert_eq!(
        list(records[0].get("Allowed IP Addresses").unwrap()),
        ["192.0.2.1", "192.0.2.2"]
    );
    assert_eq!(records[1].get("ruleset"), Some("a \"b\", c"));
    assert_eq!(records[1].get("nothing"), None);
}

#[test]
fn a_csv_row_that_does_not_fit_is_refused() {
    assert!(parse("Name,World,\na, b,1,\n", "a list").is_err());
    assert!(parse("Name,World,\na,\n", "a list").is_err());
}

#[test]
fn xml_with_entities_and_lists() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<output xmlns=\"x\">\n<root>\n   <list type=\"structure\">\n      <structure typeName=\"V\">\n         <field name=\"DisplayName\">\n            <string>a &amp; b &#60;c&gt;</string>\n         </field>\n         <field name=\"WorldID\">\n            <integer>7</integer>\n         </field>\n         <field name=\"Uplinks\">\n            <list type=\"string\">\n               <string>vmnic0</string>\n               <string>vmnic1</string>\n            </list>\n         </field>\n      </structure>\n   </list>\n</root>\n</output>\n";
    let records = read(text);
    assert_eq!(records[0].get("Display Name"), Some("a & b <c>"));
    assert_eq!(records[0].number("world id", "x"), Ok(7));
    assert_eq!(
        list(records[0].get("uplinks").unwrap()),
        ["vmnic0", "vmnic1"]
    );
    assert!(parse(&text[..text.len() - 20], "a list").is_err());
    assert!(parse(&text.replace("&amp;", "&nope;"), "a list").is_err());
    assert!(parse(&text.replace("</field>", "</list>"), "a list").is_err());
}

#[test]
fn tables_are_cut_by_their_ruler() {
    let text = "Mount Point      Volume Name  UUID   Mounted  Type             Size           Free\n\
                ---------------  -----------  -----  -------  ------  -------------  -------------\n\
                /vmfs/volumes/a  local 1      aaa-1     true  VMFS-6   999922073600   591568830464\n\
                /vmfs/volumes/b               bbb-2     true  vfat       4293591040     4267048960\n";
    let records = read(text);
    assert_eq!(records[0].get("Volume Name"), Some("local 1"));
    assert_eq!(records[0].number("Free", "x"), Ok(591_568_830_464));
    assert_eq!(records[1].get("volumename"), Some(""));
    assert_eq!(records[1].get("UUID"), Some("bbb-2"));
}

#[test]
fn a_shifted_table_is_refused_and_the_last_column_may_run_over() {
    let head = "Name  Switch\n----  ------\n";
    assert!(parse(&format!("{head}abcdefghij  v\n"), "a list").is_err());
    assert_eq!(
        read(&format!("{head}abcd  a long last cell\n"))[0].get("switch"),
        Some("a long last cell")
    );
    assert_eq!(read(head), []);
}

#[test]
fn blocks_with_any_name_above_them() {
    let text = "World ID: 9\n   World ID: 7\n   UUID: 56 4d-00\n   Display Name: World ID: 9\n   Driver Info:\n         Name: inner\n \nb\n   World ID: 8\n   UUID: \n";
    let records = read(text);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].get("WorldID"), Some("7"));
    assert_eq!(records[0].get("DisplayName"), Some("World ID: 9"));
    assert_eq!(records[0].get("Name"), None);
    assert_eq!(records[1].get("uuid"), Some(""));
}

#[test]
fn one_record_stands_without_a_name() {
    let records = read("   Product: VMware ESXi\n   Version: 8.0.2\n");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].get("version"), Some("8.0.2"));
}

#[test]
fn nothing_is_no_records_and_noise_is_an_error() {
    assert_eq!(read("\n \n"), []);
    assert!(parse("what is this\n", "a list").is_err());
    assert!(parse("{\"a\": 1}\n", "a list").is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "(<output>|a,b,\n|a  b\n-  -\n|n\n   )?([a-z,<>/&;:\" \\-\u{e9}\n]{0,200})") {
        let _ = parse(&text, "x");
    }

    #[test]
    fn tables_come_back(rows in proptest::collection::vec(("[a-z\u{e9}]{1,9}( [a-z]{1,4})?", "[a-z]{0,6}", 0_u32..99_999), 1..6)) {
        let names = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).max(4);
        let mut text = format!("{:<names$}  {:<6}  {:>6}\n", "Name", "Switch", "VLAN");
        text.push_str(&format!("{}  ------  ------\n", "-".repeat(names)));
        for (name, switch, vlan) in &rows {
            text.push_str(&format!("{name:<names$}  {switch:<6}  {vlan:>6}\n"));
        }
        let records = parse(&text, "x").unwrap();
        for (record, (name, switch, vlan)) in records.iter().zip(&rows) {
            prop_assert_eq!(record.get("Name"), Some(name.as_str()));
            prop_assert_eq!(record.get("Switch"), Some(switch.as_str()));
            prop_assert_eq!(record.number("VLAN", "x"), Ok(u64::from(*vlan)));
        }
    }
}
