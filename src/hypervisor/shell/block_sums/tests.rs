//! Block sums by every tool that is here.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::super::tests::{NAMES, run, shells, text};
use super::*;

const SIZE: u64 = 64 << 10;

fn hex(bytes: &[u8]) -> BlockSum {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    BlockSum::Hex(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn only(range: Range<u64>) -> [Range<u64>; 1] {
    [range]
}

/// Makes the script believe that a tool is missing.
fn without(tools: &[&str]) -> String {
    let hide = |script: String, tool: &&str| {
        script.replace(&format!("command -v {tool}"), "command -v no-such-tool")
    };
    tools.iter().fold(BLOCK_SUMS.to_owned(), hide)
}

fn ask(script: &str, path: &str, blocks: &[Range<u64>], shell: &[String]) -> Vec<BlockSum> {
    let asked = block_sums(path, SIZE, blocks);
    let same = HostCommand::script(Effect::Read, script, [operand(path), SIZE.to_string()])
        .stdin(asked.input());
    BlockSum::parse(&run(shell, &same), blocks).unwrap()
}

#[test]
fn every_tool_sums_the_same_blocks() {
    let size = usize::try_from(SIZE).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Data, a hole, written zeros, data, half a block.
    let head: Vec<u8> = (0..size).map(|at| (at % 251) as u8 | 1).collect();
    let expected = vec![
        hex(&head),
        BlockSum::Zeros,
        BlockSum::Zeros,
        hex(&head),
        hex(&head[..1000]),
    ];
    let zeros = hex(&vec![0; size]);
    for shell in shells() {
        for name in [NAMES[2], NAMES[3], "-", "plain"] {
            let path = dir.path().join(name);
            let file = File::create(&path).unwrap();
            file.write_all_at(&head, 0).unwrap();
            file.write_all_at(&vec![0; size], 2 * SIZE).unwrap();
            file.write_all_at(&head, 3 * SIZE).unwrap();
            file.write_all_at(&head[..1000], 4 * SIZE).unwrap();
            let all = ask(BLOCK_SUMS, text(&path), &only(0..5), &shell);
            let plain: Vec<BlockSum> = expected
                .iter()
                .map(|sum| match sum {
                    BlockSum::Zeros => zeros.clone(),
                    hex => hex.clone(),
                })
                .collect();
            assert!(all == expected || all == plain, "{name}: {all:?}");
            let looped = without(&["$python"]);
            assert_eq!(
                ask(&looped, text(&path), &only(0..5), &shell),
                plain,
                "{name}"
            );
            let some = [0..1, 3..5];
            let picked = [plain[0].clone(), plain[3].clone(), plain[4].clone()];
            assert_eq!(ask(&looped, text(&path), &some, &shell), picked);
            assert_eq!(ask(BLOCK_SUMS, text(&path), &some, &shell), picked);
            let openssl = without(&["$python", "sha256sum"]);
            assert_eq!(ask(&openssl, text(&path), &some, &shell), picked);
        }
    }
}

#[test]
fn what_cannot_be_summed_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for shell in shells() {
        let gone = run(
            &shell,
            &block_sums(text(&dir.path().join("gone")), SIZE, &only(0..1)),
        );
        let parsed = BlockSum::parse(&gone, &only(0..1));
        assert!(
            matches!(parsed, Err(DriverFault::Failed { .. })),
            "{parsed:?}"
        );
    }
    let path = dir.path().join("x");
    fs::write(&path, b"x").unwrap();
    let bare = without(&["$python", "sha256sum", "openssl"]);
    let command = HostCommand::script(Effect::Read, &bare, [text(&path), "65536"]).stdin("0 1\n");
    let parsed = BlockSum::parse(&run(&shells()[0], &command), &only(0..1));
    assert!(
        matches!(parsed, Err(DriverFault::ToolMissing { .. })),
        "{parsed:?}"
    );
}

#[test]
fn a_reply_that_is_not_whole_is_not_believed() {
    let parse = |stdout: &str| {
        let output = Output {
            stdout: stdout.into(),
            ..Output::default()
        };
        BlockSum::parse(&output, &[4..6, 9..10])
    };
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let good = format!("python\n{sum}\nzeros 2\nend\n");
    assert_eq!(
        parse(&good).unwrap(),
        [
            BlockSum::Hex(sum.to_owned()),
            BlockSum::Zeros,
            BlockSum::Zeros
        ]
    );
    for odd in [
        String::new(),
        format!("python\n{sum}\nzeros 2\n"),
        format!("python\n{sum}\nzeros 1\nend\n"),
        format!("python\n{sum}\nzeros 3\nend\n"),
        "python\nzeros 99999999999999999999\nend\n".to_owned(),
        format!("python\n{sum}\n{}\n{sum}\nend\n", &sum[1..]),
        format!("{good}{sum}\n"),
        good.replace("python", "perl"),
    ] {
        assert!(parse(&odd).is_err(), "{odd}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in "(python|sha256sum|none)?\n?(zeros [0-9]{1,20}\n|end\n|[0-9a-f]{60,66}\n){0,5}.{0,40}") {
        let _ = BlockSum::parse(&Output { stdout: text.into(), ..Output::default() }, &only(0..4));
    }
}
