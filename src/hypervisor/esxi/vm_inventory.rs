//! `/etc/vmware/hostd/vmInventory.xml`: hostd's own list of registered files. The only place that
//! tells which file an invalid entry stands for. It is read and never edited.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Vmid;
use super::table::reference;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{succeeded, unexpected, whole};

/// Reads the reply of [`vm_inventory`](super::commands::vm_inventory): each entry's id and the
/// path of its .vmx, with the volume's UUID. Entries come in any order, with gaps.
///
/// # Errors
///
/// The file is not there; a text that is no such list, or ends in the middle.
pub fn parse(output: &Output) -> Result<Vec<(Vmid, String)>, DriverFault> {
    whole(output)?;
    succeeded(output, "cat")?;
    let what = "hostd's list of files";
    let text = output.text();
    let mut reader = Reader::from_str(&text);
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let (mut id, mut path, mut value) = (None, None, String::new());
    loop {
        let event = reader.read_event();
        match event.map_err(|error| unexpected(what, &format!("xml: {error}")))? {
            Event::Start(_) => {
                depth += 1;
                value.clear();
            }
            Event::Text(piece) => value.push_str(&piece),
            Event::GeneralRef(name) => value.push_str(&reference(&name, what)?),
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                match tag.local_name().as_ref() {
                    "objID" => id = value.trim().parse().ok().map(Vmid),
                    "vmxCfgPath" => path = Some(value.trim().to_owned()),
                    "ConfigEntry" => match (id.take(), path.take()) {
                        (Some(id), Some(path)) => found.push((id, path)),
                        _ => return Err(unexpected(what, "an entry without its id or its file")),
                    },
                    _ => {}
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let whole = depth == 0 && text.trim_end().ends_with('>');
    if whole {
        Ok(found)
    } else {
        Err(unexpected(what, &text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = "<ConfigRoot>\n  <ConfigEntry id=\"0001\">\n    <objID>12</objID>\n    <secDomain/>\n    <vmxCfgPath>/vmfs/volumes/5f-1/a &amp; b/a b.vmx</vmxCfgPath>\n  </ConfigEntry>\n  <ConfigEntry id=\"0000\">\n    <objID>2</objID>\n    <secDomain>11</secDomain>\n    <vmxCfgPath>/vmfs/volumes/5f-1/c/c.vmx</vmxCfgPath>\n  </ConfigEntry>\n</ConfigRoot>\n";

    #[test]
    fn ids_with_their_files() {
        let entries = parse(&Output::of(TWO)).unwrap();
        assert_eq!(
            entries[0],
            (Vmid(12), "/vmfs/volumes/5f-1/a & b/a b.vmx".to_owned())
        );
        assert_eq!(entries[1].0, Vmid(2));
        assert_eq!(
            parse(&Output::of("<ConfigRoot>\n</ConfigRoot>\n")),
            Ok(Vec::new())
        );
        assert_eq!(parse(&Output::of("<ConfigRoot/>\n")), Ok(Vec::new()));
    }

    #[test]
    fn half_a_list_is_none() {
        for text in [
            "",
            "no xml",
            &TWO[..TWO.len() - 20],
            &TWO.replace("<objID>2</objID>", ""),
        ] {
            assert!(parse(&Output::of(text)).is_err(), "{text}");
        }
        let gone = Output {
            status: 1,
            stderr: "cat: can't open".into(),
            ..Output::default()
        };
        assert!(parse(&gone).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..TWO.len(), noise in ".{0,40}") {
            let _ = parse(&Output::of(&format!("{}{noise}{}", &TWO[..cut], &TWO[cut..])));
        }
    }
}
