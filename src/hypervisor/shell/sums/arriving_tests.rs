//! Sums of files that are still being written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use super::super::tests::{run, shells, text};
use super::*;

const MIB: usize = 1 << 20;

fn hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    let sum = sha2::Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without(tools: &[&str]) -> String {
    let hide = |script: String, tool: &&str| {
        script
            .replace(&format!("command -v {tool}"), "command -v no-such-tool")
            .replace(&format!("if {tool} "), "if no-such-tool ")
    };
    tools.iter().fold(SHA256_ARRIVING.to_owned(), hide)
}

/// As it is, and with what it falls back on.
fn scripts() -> [(String, SumTool); 6] {
    let bare = SHA256_ARRIVING.replace("import hashlib, io", "import no_such_module");
    let called = |names: &str, script: String| script.replace("in python3 python;", names);
    [
        (SHA256_ARRIVING.to_owned(), SumTool::Python3),
        (bare, SumTool::Openssl),
        // One that is there and does not run.
        (called("in false python3;", without(&[])), SumTool::Python3),
        (called("in false;", without(&[])), SumTool::Openssl),
        (called("in no-such-tool;", without(&[])), SumTool::Openssl),
        (
            called("in no-such-tool;", without(&["openssl"])),
            SumTool::Sha256sum,
        ),
    ]
}

#[test]
fn every_tool_comes_to_the_sum_of_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("-a disk");
    let file = fs::File::create(&path).unwrap();
    file.set_len(5 * MIB as u64 + 700).unwrap();
    file.write_all_at(&[7; 300], 2 * MIB as u64 + 99).unwrap();
    file.write_all_at(b"end", 5 * MIB as u64 + 697).unwrap();
    let expected = hex(&fs::read(&path).unwrap());
    for shell in shells() {
        for (script, tool) in scripts() {
            for told in ["1\n2\n2\n4\nend\n", "5\nend\n", "end\n"] {
                let command = HostCommand::script(Effect::Read, &script, [text(&path)]).stdin(told);
                let output = run(&shell, &command);
                let sum = Sha256::parse(&output).unwrap();
                // BusyBox has a python or an openssl only if the machine has.
                assert_eq!((sum.hex.as_str(), sum.tool), (expected.as_str(), tool));
            }
        }
        let gone = dir.path().join("gone");
        let gone = run(&shell, &sha256_arriving(text(&gone)).stdin("end\n"));
        assert!(matches!(
            Sha256::parse(&gone),
            Err(DriverFault::Failed { .. })
        ));
    }
}

#[test]
fn without_its_end_there_is_no_sum_by_python() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    fs::write(&path, vec![1; 3 * MIB]).unwrap();
    let output = run(&shells()[0], &sha256_arriving(text(&path)).stdin("1\n2\n"));
    assert!(Sha256::parse(&output).is_err(), "{output:?}");
    // A file that is shorter than what was told to be there.
    let output = run(
        &shells()[0],
        &sha256_arriving(text(&path)).stdin("1\n4\nend\n"),
    );
    assert!(Sha256::parse(&output).is_err(), "{output:?}");
}

#[test]
fn what_is_not_yet_told_to_be_there_is_not_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    for (script, tool) in scripts() {
        let path = dir.path().join(tool.as_str());
        let file = fs::File::create(&path).unwrap();
        file.set_len(6 * MIB as u64).unwrap();
        let command = HostCommand::script(Effect::Read, &script, [text(&path)]);
        let mut child = Command::new("sh")
            .args(["-c", &command.line()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = child.stdin.take().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        for mebibyte in 0..6_u64 {
            // A flip in what comes next, before and after it is written, must count.
            let mut data = vec![u8::try_from(mebibyte).unwrap() + 1; MIB];
            file.write_all_at(&data, mebibyte * MIB as u64).unwrap();
            data[12345] ^= 64;
            file.write_all_at(&data, mebibyte * MIB as u64).unwrap();
            writeln!(told, "{}", mebibyte + 1).unwrap();
            assert_eq!(
                said.next().unwrap().unwrap(),
                (mebibyte + 1).to_string(),
                "{tool:?}"
            );
        }
        writeln!(told, "end").unwrap();
        drop(told);
        let output = child.wait_with_output().unwrap();
        let sum = Sha256::parse(&Output {
            stdout: output.stdout,
            ..Output::default()
        });
        assert_eq!(
            sum.unwrap(),
            Sha256 {
                hex: hex(&fs::read(&path).unwrap()),
                tool
            }
        );
    }
}
