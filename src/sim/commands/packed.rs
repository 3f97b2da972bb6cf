//! `zcat`.

use std::io;

use super::{Call, Halt, Outcome};
use crate::sim::gzip::unpack;
use crate::sim::stdio::Source;

/// Why unpacking ended.
enum Ended {
    Program(Halt),
    Data(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Data(error)
    }
}

/// A source as a reader, which ends with the process.
struct Reading<'a>(&'a Call, &'a Source);

impl io::Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let killed = || self.0.process.killed().is_some();
        self.1.read(buffer, &killed)
    }
}

pub(super) fn zcat(call: &mut Call) -> Outcome {
    let options = match call.options("f", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let files = options.files();
    let mut status = 0;
    for file in &files {
        let source = match call.source(file) {
            Ok(source) => source,
            Err(error) => {
                status = call.fail_on(file, &error);
                continue;
            }
        };
        let out = |part: &[u8]| call.out_bytes(part).map_err(Ended::Program);
        match unpack(Reading(call, &source), out) {
            Ok(()) => {}
            Err(Ended::Program(halt)) => return Err(halt),
            Err(Ended::Data(error)) => {
                call.check()?;
                status = call.fail(&format!("{file}: {error}"));
            }
        }
    }
    Ok(status)
}
