//! `sha256sum` and `cmp`.

use std::fmt::Write as _;
use std::io::ErrorKind;

use sha2::{Digest, Sha256};

use super::dd::fill;
use super::{Call, Halt, Outcome};
use crate::sim::stdio::Source;

fn sum(call: &Call, source: &Source) -> Result<String, Halt> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = call.read_from(source, &mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `sha256sum [-c [-s]] [files]`
pub(super) fn sums(call: &mut Call) -> Outcome {
    let options = match call.options("csbtw", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let files = options.files();
    let mut status = 0;
    if options.has('c') {
        let (texts, problems) = call.texts(&options.operands)?;
        status |= problems;
        let (mut wrong, mut total) = (0, 0);
        for (_, bytes) in texts {
            for line in String::from_utf8_lossy(&bytes).lines() {
                let Some((wanted, name)) = line.split_once("  ").or_else(|| line.split_once(" *"))
                else {
                    continue;
                };
                total += 1;
                let found = match call.source(name) {
                    Ok(source) => sum(call, &source)?,
                    Err(error) => {
                        call.fail(&format!(
                            "can't open '{name}': {}",
                            crate::sim::vfs::reason(&error)
                        ));
                        String::new()
                    }
                };
                let good = found.eq_ignore_ascii_case(wanted);
                wrong += usize::from(!good);
                if !options.has('s') {
                    call.out(&format!("{name}: {}\n", if good { "OK" } else { "FAILED" }))?;
                }
            }
        }
        if wrong > 0 {
            status = call.fail(&format!(
                "WARNING: {wrong} of {total} computed checksums did NOT match"
            ));
        }
        return Ok(status);
    }
    for file in files {
        match call.source(&file) {
            Ok(source) => {
                let sum = sum(call, &source)?;
                call.out(&format!("{sum}  {file}\n"))?;
            }
            Err(error) => {
                status = call.fail(&format!(
                    "can't open '{file}': {}",
                    crate::sim::vfs::reason(&error)
                ));
            }
        }
    }
    Ok(status)
}

/// `cmp [-s] a b`
pub(super) fn cmp(call: &mut Call) -> Outcome {
    let options = match call.options("s", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let [left, right] = options.operands.as_slice() else {
        return Ok(call.fail("missing operand"));
    };
    let open = |arg: &String| call.host.vfs.open(&call.path(arg));
    let (mut a, mut b) = match (open(left), open(right)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) => {
            call.fail_on(left, &error);
            return Ok(2);
        }
        (_, Err(error)) => {
            call.fail_on(right, &error);
            return Ok(2);
        }
    };
    let (mut x, mut y) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    let mut offset = 0;
    loop {
        call.check()?;
        let read = fill(&mut a, &mut x).and_then(|n| fill(&mut b, &mut y).map(|m| (n, m)));
        let (n, m) = match read {
            Ok(counts) => counts,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Ok(call.fail_on(left, &error)),
        };
        let (p, q) = (
            x.get(..n).unwrap_or_default(),
            y.get(..m).unwrap_or_default(),
        );
        if let Some(at) = p.iter().zip(q).position(|(p, q)| p != q) {
            if !options.has('s') {
                call.out(&format!(
                    "{left} {right} differ: char {}, line 1\n",
                    offset + at + 1
                ))?;
            }
            return Ok(1);
        }
        if n != m {
            if !options.has('s') {
                call.err(&format!(
                    "cmp: EOF on {}\n",
                    if n < m { left } else { right }
                ));
            }
            return Ok(1);
        }
        if n == 0 {
            return Ok(0);
        }
        offset += n;
    }
}
