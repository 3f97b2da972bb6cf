//! Much output of the worst kind for each parser is read in time that grows with its length alone.

use std::time::{Duration, Instant};

use super::inventory::Inventory;
use super::network::PortGroup;
use super::process::RunningVm;
use super::question::Question;
use super::storage::Volumes;
use super::summary::VmSummary;
use crate::host::Output;

fn filled(head: &str, piece: &str, limit: usize) -> Output {
    let times = (limit - head.len()) / piece.len();
    let stdout = format!("{head}{}", piece.repeat(times)).into();
    Output {
        stdout,
        ..Output::default()
    }
}

#[test]
fn endless_output_costs_no_more_than_its_length() {
    let all = 256 << 10;
    let head = "Vmid   Name   File   Guest OS   Version   Annotation\n";
    // Whatever grew with the square of this length would take minutes.
    let began = Instant::now();
    for piece in ["1 [", "12345 a [d] b/c.vmx x vmx-\n", "\n", "1  "] {
        let _ = Inventory::parse(&filled(head, piece, all));
    }
    for piece in [
        "   a = \"\n",
        "(a) {\n",
        "\"\n\n",
        "   a = (b) [\n",
        "   a = \"x\"\n",
    ] {
        let _ = VmSummary::parse(&filled("(vim.vm.Summary) {\n", piece, all));
    }
    for (head, piece) in [
        ("a,b,\n", "x,"),
        ("a  b\n-  -\n", "x  y\n"),
        ("<output>", "<structure><field>"),
        ("n\n", "   a: b\n"),
    ] {
        let output = filled(head, piece, all);
        let _ = (
            PortGroup::parse_all(&output).is_err(),
            Volumes::parse(&output).is_err(),
        );
        let _ = RunningVm::parse_all(&output).is_err();
    }
    for piece in ["0. ", "1. a\n", "(("] {
        let _ = Question::parse(&filled("Virtual machine message 1: x\n", piece, 64 << 10));
    }
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
}
