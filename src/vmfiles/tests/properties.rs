//! What holds for any bytes at all.

use proptest::prelude::*;

use crate::runbook::model::MacPolicy;
use crate::vmfiles::{AdapterFit, Descriptor, FileKind, Vmsd, Vmx, diff, fit_adapters};

/// Lines that look like a `.vmx` more often than chance would.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"ethernet0.present = \"TRUE\"".to_vec()),
        Just(b"scsi0:0.fileName = \"a.vmdk\"".to_vec()),
        Just(b".encoding = \"GBK\"".to_vec()),
        Just(b"\xef\xbb\xbfa=1".to_vec()),
        "[a-c]{1,2}[.:]?[a-c]? {0,2}= {0,2}\"?[ -~]{0,8}\"?#?".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    let end = prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..]), Just(&b""[..])];
    proptest::collection::vec((piece, end), 0..12).prop_map(|lines| {
        lines
            .into_iter()
            .flat_map(|(line, end)| [&line[..], end].concat())
            .collect()
    })
}

proptest! {
    #[test]
    fn any_bytes_come_back_as_they_were(bytes in lines()) {
        if let Ok(vmx) = Vmx::parse(&bytes) {
            prop_assert_eq!(vmx.to_bytes(), bytes);
            let _ = (vmx.disks(), vmx.adapters(), vmx.absolute_paths(), vmx.uuid_bios(), vmx.duplicates());
        }
    }

    #[test]
    fn what_is_set_is_read_back_and_the_rest_stays(
        bytes in lines(),
        key in "[a-c]{1,2}[.:]?[a-c]?",
        value in "[ -~é\\n]{0,12}",
    ) {
        let Ok(old) = Vmx::parse(&bytes) else { return Ok(()) };
        let mut new = old.clone();
        if new.set(&key, &value).is_err() {
            prop_assert_eq!(new, old);
            return Ok(());
        }
        prop_assert_eq!(new.get(&key), Some(value));
        let again = Vmx::parse(&new.to_bytes()).unwrap();
        prop_assert_eq!(&again, &new, "what is written reads the same");
        for change in diff(&old, &new) {
            prop_assert!(change.key.eq_ignore_ascii_case(&key), "{} changed too", change.key);
        }
        let lines = |bytes: &[u8]| bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (before, after) = (lines(&bytes), lines(&new.to_bytes()));
        let same = before.iter().filter(|line| after.contains(line)).count();
        prop_assert!(same + 1 >= before.len(), "one line at most is rewritten");
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_stays(bytes in lines(), key in "[a-c]{1,2}") {
        let Ok(old) = Vmx::parse(&bytes) else { return Ok(()) };
        let mut new = old.clone();
        new.remove(&key);
        prop_assert_eq!(new.get(&key), None);
        for change in diff(&old, &new) {
            prop_assert!(change.key.eq_ignore_ascii_case(&key));
        }
    }

    #[test]
    fn fitting_twice_is_fitting_once(bytes in lines(), portgroup in "[ -~]{0,10}") {
        let Ok(mut vmx) = Vmx::parse(&bytes) else { return Ok(()) };
        let wanted = [AdapterFit {
            adapter: "ethernet0".into(), portgroup, mac: MacPolicy::Generate, start_connected: false,
        }];
        let before = vmx.clone();
        match fit_adapters(&mut vmx, &wanted) {
            Err(_) => prop_assert_eq!(vmx, before),
            Ok(_) => {
                let once = vmx.clone();
                fit_adapters(&mut vmx, &wanted).unwrap();
                prop_assert_eq!(vmx, once);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_other_readers_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "(RW|RDONLY|KDMV|CID=|[0-9 \"=]|VMFS|\\n){0,20}",
    ) {
        let _ = (Vmsd::parse(&bytes), Descriptor::parse(&bytes));
        let _ = Descriptor::parse(&[b"KDMV", &bytes[..]].concat());
        let _ = Descriptor::parse(format!("# Disk DescriptorFile\n{text}").as_bytes());
        let _ = FileKind::of(&String::from_utf8_lossy(&bytes));
    }
}
