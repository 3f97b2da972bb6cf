//! `test` and `[`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{Call, Outcome};

/// `test EXPRESSION`, `[ EXPRESSION ]`
pub(super) fn test(call: &mut Call) -> Outcome {
    let mut args = call.args.clone();
    if call.name == "[" && args.pop().as_deref() != Some("]") {
        call.fail("missing ]");
        return Ok(2);
    }
    let mut reader = Reader {
        call,
        args: &args,
        at: 0,
    };
    match reader.any() {
        Ok(value) if reader.at == args.len() => Ok(i32::from(!value)),
        Ok(_) => {
            let found = args.get(reader.at).cloned().unwrap_or_default();
            call.fail(&format!("{found}: unknown operand"));
            Ok(2)
        }
        Err(message) => {
            call.fail(&message);
            Ok(2)
        }
    }
}

struct Reader<'a> {
    call: &'a Call,
    args: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<&str> {
        self.args.get(self.at + ahead).map(String::as_str)
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut value = self.all()?;
        while self.peek(0) == Some("-o") {
            self.at += 1;
            value |= self.all()?;
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut value = self.not()?;
        while self.peek(0) == Some("-a") {
            self.at += 1;
            value &= self.not()?;
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<bool, String> {
        if self.peek(0) == Some("!") && self.peek(1).is_some() {
            self.at += 1;
            return self.not().map(|value| !value);
        }
        self.one()
    }

    fn one(&mut self) -> Result<bool, String> {
        let Some(first) = self.peek(0).map(str::to_owned) else {
            return Ok(false);
        };
        if let (Some(operator), Some(right)) = (self.peek(1), self.peek(2))
            && let Some(value) = binary(self.call, &first, operator, right)?
        {
            self.at += 3;
            return Ok(value);
        }
        if let Some(operand) = self.peek(1).map(str::to_owned)
            && let Some(value) = unary(self.call, &first, &operand)
        {
            self.at += 2;
            return Ok(value);
        }
        self.at += 1;
        Ok(!first.is_empty())
    }
}

fn binary(call: &Call, left: &str, operator: &str, right: &str) -> Result<Option<bool>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<i64>()
            .map_err(|_| format!("{text}: bad number"))
    };
    Ok(Some(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "-eq" => number(left)? == number(right)?,
        "-ne" => number(left)? != number(right)?,
        "-lt" => number(left)? < number(right)?,
        "-le" => number(left)? <= number(right)?,
        "-gt" => number(left)? > number(right)?,
        "-ge" => number(left)? >= number(right)?,
        "-nt" | "-ot" => {
            let time = |path: &str| {
                call.host
                    .vfs
                    .metadata(&call.path(path), true)
                    .map(|meta| (meta.mtime(), meta.mtime_nsec()))
                    .ok()
            };
            let (left, right) = (time(left), time(right));
            if operator == "-nt" {
                left > right
            } else {
                left < right
            }
        }
        "-ef" => {
            let real = |path: &str| call.host.vfs.real(&call.path(path), true).ok();
            real(left).is_some() && real(left) == real(right)
        }
        _ => return Ok(None),
    }))
}

fn unary(call: &Call, operator: &str, operand: &str) -> Option<bool> {
    let meta = |follow| call.host.vfs.metadata(&call.path(operand), follow);
    let device = operand.starts_with("/dev/");
    Some(match operator {
        "-n" => !operand.is_empty(),
        "-z" => operand.is_empty(),
        "-e" => device || meta(true).is_ok(),
        "-f" => meta(true).is_ok_and(|meta| meta.is_file()),
        "-d" => meta(true).is_ok_and(|meta| meta.is_dir()),
        "-L" | "-h" => meta(false).is_ok_and(|meta| meta.is_symlink()),
        "-s" => meta(true).is_ok_and(|meta| meta.len() > 0),
        "-r" => device || meta(true).is_ok(),
        "-w" => device || meta(true).is_ok_and(|meta| meta.permissions().mode() & 0o200 != 0),
        "-x" => {
            call.host.program_at(&call.path(operand))
                || meta(true).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
        }
        "-b" | "-c" | "-p" | "-S" | "-t" => false,
        _ => return None,
    })
}
