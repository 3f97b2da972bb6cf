//! Sums by every tool that is here.

use std::fs;

use proptest::prelude::*;

use super::super::tests::{run, shells, text};
use super::*;

#[test]
fn sums_of_files_whatever_their_names() {
    use sha2::Digest;
    let hex = |bytes: &[u8]| {
        sha2::Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    let mut bytes = vec![7_u8; (2 << 20) + 11];
    bytes[1 << 20] = 1;
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["back\\slash", "new\nline", "-"] {
            let path = dir.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let whole = Sha256::parse(&run(&shell, &sha256(text(&path)))).unwrap();
            assert_eq!(whole.hex, hex(&bytes));
            assert!([SumTool::Openssl, SumTool::Sha256sum].contains(&whole.tool));
            let part = Sha256::parse(&run(&shell, &sha256_part(text(&path), 1, 1))).unwrap();
            assert_eq!(part.hex, hex(&bytes[1 << 20..2 << 20]));
            let end = Sha256::parse(&run(&shell, &sha256_part(text(&path), 2, 5))).unwrap();
            assert_eq!(end.hex, hex(&bytes[2 << 20..]));
        }
        let gone = Sha256::parse(&run(&shell, &sha256(text(&dir.path().join("gone")))));
        assert!(matches!(gone, Err(DriverFault::Failed { .. })));
        assert!(Sha256::parse(&run(&shell, &sha256(text(dir.path())))).is_err());
    }
}

#[test]
fn every_tool_that_sums_is_understood() {
    let parse = |stdout: &str| {
        Sha256::parse(&Output {
            stdout: stdout.into(),
            ..Output::default()
        })
    };
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (text, tool) in [
        (format!("sha256sum\n{sum}  -\n"), SumTool::Sha256sum),
        (format!("python3\n{sum}\n"), SumTool::Python3),
        (
            format!("openssl\nSHA2-256(stdin)= {}\n", sum.to_uppercase()),
            SumTool::Openssl,
        ),
    ] {
        assert_eq!(
            parse(&text),
            Ok(Sha256 {
                hex: sum.to_owned(),
                tool
            })
        );
    }
    assert!(matches!(
        parse("none\n"),
        Err(DriverFault::ToolMissing { .. })
    ));
    for odd in [
        "",
        "sha256sum\n",
        "sha256sum\nabc  -\n",
        &format!("{sum}  -\n"),
    ] {
        assert!(parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn the_other_tools_sum_the_same() {
    use sha2::Digest;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, b"some bytes").unwrap();
    let hex: String = sha2::Sha256::digest(b"some bytes")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for (missing, tool, program) in [
        (vec!["openssl"], SumTool::Sha256sum, "sha256sum"),
        (vec!["openssl", "sha256sum"], SumTool::Python3, "python3"),
    ] {
        if std::process::Command::new(program)
            .arg("version")
            .output()
            .is_err()
        {
            println!("{program} is missing here: not tried");
            continue;
        }
        let hide = |script: &str| {
            missing.iter().fold(script.to_owned(), |script, name| {
                script
                    .replace(&format!("command -v {name}"), "false")
                    .replace(&format!("if {name} "), "if false ")
            })
        };
        for (script, args) in [
            (SHA256, vec![text(&path)]),
            (SHA256_PART, vec![text(&path), "0", "1"]),
        ] {
            let command = HostCommand::script(Effect::Read, &hide(script), args);
            let sum = Sha256::parse(&run(&shells()[0], &command)).unwrap();
            let hex = hex.clone();
            assert_eq!(sum, Sha256 { hex, tool });
        }
    }
}

proptest! {
    #[test]
    fn never_panics(text in "(sha256sum|python3|openssl|none)?\n?.{0,100}") {
        let _ = Sha256::parse(&Output { stdout: text.into(), ..Output::default() });
    }
}

#[test]
fn a_file_gets_its_name_only_with_the_sum_that_it_must_have() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let (part, name) = (dir.path().join("a b.part"), dir.path().join("a b"));
        let bytes = [b"text\0\n".as_slice(), &[0xff; 70_000]].concat();
        let sum = crate::digest::sha256(&bytes);
        let place = |sum: &str| {
            run(
                &shell,
                &place_file(text(&part), &bytes, 0o640, sum, text(&name)),
            )
        };
        let other = "0".repeat(64);
        let output = place(&other);
        assert_eq!(Placed::parse(&output), Ok(Placed::Put));
        assert_eq!(Sha256::parse(&output).unwrap().hex, sum);
        assert!(part.exists() && !name.exists());
        let Ok(Placed::Done(_)) = Placed::parse(&place(&sum)) else {
            panic!("{:?}", place(&sum))
        };
        assert!(!part.exists() && fs::read(&name).unwrap() == bytes);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&name).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o640);
        fs::write(&name, "somebody's").unwrap();
        assert_eq!(Placed::parse(&place(&sum)), Ok(Placed::Taken));
        assert_eq!(fs::read(&name).unwrap(), b"somebody's");
        fs::remove_file(&name).unwrap();
        std::os::unix::fs::symlink("nowhere", &name).unwrap();
        assert_eq!(Placed::parse(&place(&sum)), Ok(Placed::Taken));
        fs::remove_file(&name).unwrap();
        // What is there under both names afterwards has not moved.
        let copies = format!("mv() {{ cp \"$1\" \"$2\"; }}\n{PLACE}");
        let words = [text(&part), "640", &sum, text(&name)];
        let place = HostCommand::script(Effect::Write, &copies, words).stdin(bytes.as_slice());
        assert!(Placed::parse(&run(&shell, &place)).is_err());
        let output = run(&shell, &put_file(text(&part), b"new", 0o600));
        assert_eq!(
            Sha256::parse(&output).unwrap().hex,
            crate::digest::sha256(b"new")
        );
    }
}
